import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Pattern;

import org.apache.spark.SparkConf$;
import org.apache.spark.internal.config.ConfigEntry;
import org.apache.spark.internal.config.ConfigEntry$;
import org.apache.spark.sql.internal.SQLConf$;

import scala.Option;
import scala.Some;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Records the settings that Spark registers. Usage: {@code Properties JARS PROPERTIES.json KEYS.txt}.
 *
 * <p>Spark registers a setting when the Scala object that declares it is initialised. So that none is missed, every
 * object that mentions the builder of settings is found in Spark's jars and initialised.
 */
public final class Properties {
    private static final Pattern RECORDED = Pattern.compile("memory|Memory|shuffle\\.partitions|autoBroadcast"
        + "|inMemoryColumnarStorage|defaultCacheStorageLevel|retained|spark\\.eventLog|spark\\.local\\.dir|maxResultSize"
        + "|spark\\.(driver|executor)\\.cores|spark\\.executor\\.instances|spark\\.log\\.level|spark\\.app\\.name"
        + "|spark\\.master");

    private static final List<String> BUILDERS = List.of(
        "org/apache/spark/internal/config/ConfigBuilder", "org/apache/spark/internal/config/TypedConfigBuilder");

    /** Settings that Spark reads by name, or that its documentation names, without registering them. */
    private static final List<String> UNREGISTERED = List.of(
        "spark.app.id", "spark.app.name", "spark.app.startTime", "spark.app.submitTime", "spark.home",
        "spark.local.dir", "spark.logConf", "spark.logLineage", "spark.logging.exceptionPrintInterval", "spark.master",
        "spark.remote", "spark.port.maxRetries", "spark.checkpoint.checkpointAllMarkedAncestors",
        "spark.driver.defaultJavaOptions", "spark.driver.libraryPath", "spark.executor.defaultJavaOptions",
        "spark.files.fetchTimeout", "spark.files.io.threads", "spark.files.overwrite", "spark.files.useFetchCache",
        "spark.hadoop.cloneConf", "spark.hadoop.outputCommitCoordination.enabled", "spark.hadoop.validateOutputSpecs",
        "spark.job.description", "spark.job.interruptOnCancel", "spark.jobGroup.id",
        "spark.kafka.consumer.cache.capacity", "spark.kubernetes.executor.hadoopConfigMapName",
        "spark.kubernetes.setSubmitTimeInDriver", "spark.connect.grpc.debug.enabled",
        "spark.launcher.childConectionTimeout", "spark.launcher.childConnectionTimeout",
        "spark.launcher.childProcLoggerName", "spark.network.auth.rpcTimeout",
        "spark.network.crypto.authEngineVersion", "spark.network.crypto.cipher", "spark.network.io.preferDirectBufs",
        "spark.network.sasl.maxEncryptedBlockSize", "spark.network.sasl.serverAlwaysEncrypt",
        "spark.network.sharedByteBufAllocators.enabled", "spark.network.ssl.maxEncryptedBlockSize",
        "spark.plugins.defaultList", "spark.r.driver.command", "spark.r.shell.command", "spark.repl.class.outputDir",
        "spark.repl.class.uri", "spark.repl.local.jars", "spark.resultGetter.threads", "spark.scheduler.pool",
        "spark.shuffle.maxChunksBeingTransferred", "spark.shuffle.push.server.ioExceptionsThresholdDuringMerge",
        "spark.shuffle.push.server.mergedIndexCacheSize",
        "spark.shuffle.push.server.mergedShuffleCleaner.shutdown.timeout",
        "spark.shuffle.push.server.mergedShuffleFileManagerImpl",
        "spark.shuffle.push.server.minChunkSizeInMergedShuffleFile", "spark.shuffle.sasl.enableRetries",
        "spark.shuffle.server.chunkFetchHandlerThreadsPercent",
        "spark.shuffle.server.finalizeShuffleMergeThreadsPercent", "spark.shuffle.service.index.cache.size",
        "spark.shuffle.service.verifyBlockPathsAtRead", "spark.sparkr.use.daemon",
        "spark.sql.streaming.checkpointFileManagerClass", "spark.ssl.enabled", "spark.ssl.enabledAlgorithms",
        "spark.ssl.keyPassword", "spark.ssl.keyStore", "spark.ssl.keyStorePassword", "spark.ssl.keyStoreType",
        "spark.ssl.needClientAuth", "spark.ssl.port", "spark.ssl.protocol", "spark.ssl.trustStore",
        "spark.ssl.trustStorePassword", "spark.ssl.trustStoreType", "spark.ssl.useNodeLocalConf",
        "spark.ssl.rpc.certChain", "spark.ssl.rpc.enabled", "spark.ssl.rpc.enabledAlgorithms",
        "spark.ssl.rpc.keyPassword", "spark.ssl.rpc.keyStore", "spark.ssl.rpc.keyStorePassword",
        "spark.ssl.rpc.openSslEnabled", "spark.ssl.rpc.privateKey", "spark.ssl.rpc.privateKeyPassword",
        "spark.ssl.rpc.protocol", "spark.ssl.rpc.trustStore", "spark.ssl.rpc.trustStorePassword",
        "spark.ssl.rpc.trustStoreReloadIntervalMs", "spark.ssl.rpc.trustStoreReloadingEnabled",
        "spark.starvation.timeout", "spark.streaming.blockQueueSize", "spark.streaming.checkpoint.directory",
        "spark.streaming.clock", "spark.streaming.fileStream.minRememberDuration",
        "spark.streaming.receiver.blockStoreTimeout", "spark.streaming.receiverRestartDelay",
        "spark.streaming.stopSparkContextByDefault", "spark.submit.appName", "spark.ui.proxyBase",
        "spark.yarn.app.attemptId", "spark.yarn.app.id", "spark.yarn.isHadoopProvided");

    /**
     * What a property makes of this value tells its unit; the first value that it accepts counts. No value is both a
     * size and a duration, as "64m" would be.
     */
    private static final List<Probe> PROBES = List.of(
        new Probe("1g", Map.of(1L << 30, "b", 1L << 20, "k", 1L << 10, "m", 1L, "g")),
        new Probe("64mb", Map.of(64L << 20, "b", 64L << 10, "k", 64L, "m")),
        new Probe("1d", Map.of(86_400_000_000L, "us", 86_400_000L, "ms", 86_400L, "s", 1_440L, "min", 24L, "h", 1L, "d")),
        new Probe("1h", Map.of(3_600_000_000L, "us", 3_600_000L, "ms", 3_600L, "s", 60L, "min", 1L, "h")),
        new Probe("5s", Map.of(5_000L, "ms", 5L, "s")));

    private record Probe(String value, Map<Long, String> units) {}

    public static void main(String[] args) throws Exception {
        loadAll(Path.of(args[0]));
        var entries = new TreeMap<>(ConfigEntry$.MODULE$.knownConfigs());
        properties(entries).write(Path.of(args[1]));
        TreeSet<String> keys = keys(entries);
        Files.writeString(Path.of(args[2]), String.join("\n", keys) + "\n", StandardCharsets.UTF_8);
        System.err.printf("%8d  keys in %s%n", keys.size(), Path.of(args[2]).getFileName());
    }

    // --- finding them

    private static void loadAll(Path jars) throws IOException {
        try (var files = Files.newDirectoryStream(jars, "spark-*.jar")) {
            for (Path jar : files) {
                load(jar);
            }
        }
    }

    private static void load(Path path) throws IOException {
        try (JarFile jar = new JarFile(path.toFile())) {
            Enumeration<JarEntry> entries = jar.entries();
            while (entries.hasMoreElements()) {
                JarEntry entry = entries.nextElement();
                if (entry.getName().startsWith("org/apache/spark/") && entry.getName().endsWith("$.class")
                        && mentionsBuilder(jar, entry)) {
                    initialise(entry.getName().replace(".class", "").replace('/', '.'));
                }
            }
        }
    }

    /** The names that a class uses stand in its file as plain text. */
    private static boolean mentionsBuilder(JarFile jar, JarEntry entry) throws IOException {
        try (InputStream in = jar.getInputStream(entry)) {
            String bytes = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
            return BUILDERS.stream().anyMatch(bytes::contains);
        }
    }

    private static void initialise(String name) {
        try {
            Class.forName(name, true, Properties.class.getClassLoader());
        } catch (ClassNotFoundException | LinkageError e) {
            System.err.println("cannot initialise " + name + ": " + e);
        }
    }

    // --- what they say

    private static Rows properties(Map<String, ConfigEntry<?>> entries) {
        Rows rows = new Rows();
        entries.forEach((key, entry) -> {
            if (RECORDED.matcher(key).find()) {
                rows.add(describe(entry));
            }
        });
        return rows;
    }

    private static Map<String, Object> describe(ConfigEntry<?> entry) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("key", entry.key());
        row.put("default", entry.defaultValueString());
        row.put("version", entry.version());
        String unit = unit(entry);
        if (unit != null) {
            row.put("unit", unit);
        }
        if (!entry.isPublic()) {
            row.put("internal", true);
        }
        return row;
    }

    /** The unit of sizes and durations; null for anything else. An entry does not say it, so it is tried out. */
    private static String unit(ConfigEntry<?> entry) {
        for (Probe probe : PROBES) {
            try {
                Object value = entry.valueConverter().apply(probe.value);
                Object number = value instanceof Some ? ((Some<?>) value).get() : value;
                return number instanceof Long ? probe.units.get(number) : null;
            } catch (IllegalArgumentException e) {
                // Not a value for this entry: another kind, or out of its range.
            }
        }
        return null;
    }

    private static TreeSet<String> keys(Map<String, ConfigEntry<?>> entries) {
        TreeSet<String> keys = new TreeSet<>(entries.keySet());
        entries.values().forEach(entry -> keys.addAll(CollectionConverters.asJava(entry.alternatives())));
        keys.addAll(oldNames(SparkConf$.MODULE$, "deprecatedConfigs"));
        keys.addAll(oldNames(SparkConf$.MODULE$, "allAlternatives"));
        keys.addAll(oldNames(SQLConf$.MODULE$, "deprecatedSQLConfigs"));
        keys.addAll(UNREGISTERED);
        // What has another prefix belongs to the tests of Spark or to the libraries that it brings.
        keys.removeIf(key -> !key.startsWith("spark."));
        return keys;
    }

    /** The keys of a private map of former names, which Spark still understands. */
    @SuppressWarnings("unchecked")
    private static Set<String> oldNames(Object companion, String field) {
        try {
            Field found = companion.getClass().getDeclaredField(field);
            found.setAccessible(true);
            var names = (scala.collection.Map<String, ?>) found.get(companion);
            return CollectionConverters.asJava(names.keySet());
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }
}
