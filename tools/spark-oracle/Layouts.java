import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

import io.fabric8.kubernetes.api.model.Quantity;

import org.apache.spark.SecurityManager;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.k8s.KubernetesConf$;
import org.apache.spark.deploy.k8s.KubernetesDriverConf;
import org.apache.spark.deploy.k8s.SparkPod;
import org.apache.spark.deploy.k8s.SparkPod$;
import org.apache.spark.deploy.k8s.features.BasicDriverFeatureStep;
import org.apache.spark.deploy.k8s.features.BasicExecutorFeatureStep;
import org.apache.spark.deploy.k8s.features.DriverCommandFeatureStep;
import org.apache.spark.deploy.k8s.submit.JavaMainAppResource;
import org.apache.spark.deploy.k8s.submit.MainAppResource;
import org.apache.spark.deploy.k8s.submit.PythonMainAppResource;
import org.apache.spark.deploy.k8s.submit.RMainAppResource;
import org.apache.spark.deploy.yarn.Client;
import org.apache.spark.deploy.yarn.ClientArguments;
import org.apache.spark.internal.config.package$;
import org.apache.spark.memory.UnifiedMemoryManager;
import org.apache.spark.network.util.JavaUtils;
import org.apache.spark.resource.ResourceProfile$;
import org.apache.spark.resource.ResourceProfile;

import scala.Option;
import scala.collection.immutable.Map$;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Records how Spark divides an executor's memory and how large a container it asks for. Usage: {@code Layouts
 * LAYOUTS.json CONTAINERS.json}.
 */
public final class Layouts {
    private static final package$ CONFIG = package$.MODULE$;
    private static final int CORES = 4;
    private static final long RESERVED = 300L << 20;

    private static final String MEMORY = "spark.executor.memory";
    private static final String FRACTION = "spark.memory.fraction";
    private static final String STORAGE_FRACTION = "spark.memory.storageFraction";
    private static final String OFF_HEAP = "spark.memory.offHeap.enabled";
    private static final String OFF_HEAP_SIZE = "spark.memory.offHeap.size";
    private static final String OVERHEAD = "spark.executor.memoryOverhead";
    private static final String FACTOR = "spark.executor.memoryOverheadFactor";
    private static final String MINIMUM = "spark.executor.minMemoryOverhead";
    private static final String PYSPARK = "spark.executor.pyspark.memory";
    private static final String KUBERNETES_FACTOR = "spark.kubernetes.memoryOverheadFactor";

    public static void main(String[] args) throws Exception {
        layouts().write(Path.of(args[0]));
        containers().write(Path.of(args[1]));
    }

    // --- how the memory of an executor is divided

    private static Rows layouts() {
        Rows rows = new Rows();
        for (String memory : List.of("450m", "451m", "512m", "600m", "1g", "1234m", "2g", "3g", "4g", "8g", "12345m", "16g",
                "31g", "64g", "1t")) {
            layout(rows, Map.of(MEMORY, memory));
        }
        for (String memory : List.of("1g", "7777m", "8g")) {
            for (String fraction : List.of("0.1", "0.3", "0.4", "0.5", "0.75", "0.9", "0.95", "1.0", "1")) {
                layout(rows, ordered(MEMORY, memory, FRACTION, fraction));
            }
            for (String fraction : List.of("0", "0.0", "0.1", "0.2", "0.25", "0.333", "0.75", "0.99")) {
                layout(rows, ordered(MEMORY, memory, STORAGE_FRACTION, fraction));
            }
            layout(rows, ordered(MEMORY, memory, FRACTION, "0.77", STORAGE_FRACTION, "0.33"));
        }
        for (String size : List.of("1", "1000", "64m", "1g", "3333m", "16g")) {
            layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, size));
            layout(rows, ordered(MEMORY, "4g", STORAGE_FRACTION, "0.3", OFF_HEAP, "true", OFF_HEAP_SIZE, size));
        }
        refusedLayouts(rows);
        return rows;
    }

    /** What Spark refuses, and what it accepts though one might expect otherwise. */
    private static void refusedLayouts(Rows rows) {
        for (String memory : List.of("1m", "300m", "449m", "460799k")) {
            layout(rows, Map.of(MEMORY, memory));
        }
        // The heap may be large enough and the setting not: the two are checked one after the other.
        layout(rows, ordered(MEMORY, "449m"), 1L << 30);
        layout(rows, ordered(MEMORY, "8g"), 449L << 20);
        layout(rows, ordered(MEMORY, "8g"), 1L << 30);
        layout(rows, Map.of(), 1L << 30);
        // Elsewhere a number without a unit means MiB in this setting; this check reads it as bytes.
        layout(rows, ordered(MEMORY, "8192"), 8L << 30);
        layout(rows, ordered(MEMORY, "8589934592"), 8L << 30);
        for (String fraction : List.of("0", "0.0000001", "-0.1", "1.5", "2", "abc", "60%", "")) {
            layout(rows, ordered(MEMORY, "4g", FRACTION, fraction));
        }
        for (String fraction : List.of("1", "1.0", "1.5", "-0.1", "0.999999999", "abc", "50%", "")) {
            layout(rows, ordered(MEMORY, "4g", STORAGE_FRACTION, fraction));
        }
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "true"));
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "0"));
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "-1"));
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "false", OFF_HEAP_SIZE, "1g"));
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP_SIZE, "1g"));
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "yes", OFF_HEAP_SIZE, "1g"));
        layout(rows, ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "1.5g"));
    }

    private static void layout(Rows rows, Map<String, String> settings) {
        layout(rows, settings, JavaUtils.byteStringAsBytes(settings.get(MEMORY)));
    }

    private static void layout(Rows rows, Map<String, String> settings, long heap) {
        Map<String, Object> question = new LinkedHashMap<>();
        question.put("settings", settings);
        question.put("heap", heap);
        rows.ask(question, () -> {
            SparkConf conf = conf(settings)
                .set("spark.testing.memory", Long.toString(heap))
                .set("spark.testing.reservedMemory", Long.toString(RESERVED));
            UnifiedMemoryManager manager = UnifiedMemoryManager.apply(conf, CORES);
            return ordered(
                "maxHeapMemory", manager.maxHeapMemory(),
                // Nothing has moved the border yet, so the pool is as large as the region that protects it.
                "heapStorageRegion", manager.onHeapStorageMemoryPool().poolSize(),
                "maxOffHeapMemory", manager.maxOffHeapMemory(),
                "offHeapStorageRegion", manager.offHeapStorageMemory(),
                "tungstenMemoryMode", manager.tungstenMemoryMode().name());
        });
    }

    // --- how large a container Spark asks for

    private static final List<Map<String, String>> EXECUTORS = List.of(
        ordered(),
        ordered(MEMORY, "512m"), ordered(MEMORY, "1024"), ordered(MEMORY, "1536k"), ordered(MEMORY, "3839m"),
        ordered(MEMORY, "3840m"), ordered(MEMORY, "3841m"), ordered(MEMORY, "3850m"), ordered(MEMORY, "4g"),
        ordered(MEMORY, "8g"), ordered(MEMORY, "12345m"), ordered(MEMORY, "64g"),
        ordered(MEMORY, "4g", OVERHEAD, "0"), ordered(MEMORY, "4g", OVERHEAD, "100"),
        ordered(MEMORY, "4g", OVERHEAD, "100m"), ordered(MEMORY, "4g", OVERHEAD, "1g"),
        ordered(MEMORY, "4g", OVERHEAD, "1500k"), ordered(MEMORY, "4g", OVERHEAD, "-1"),
        ordered(MEMORY, "4g", OVERHEAD, "1g", FACTOR, "0.5", MINIMUM, "2g"),
        ordered(MEMORY, "4g", FACTOR, "0.05"), ordered(MEMORY, "4g", FACTOR, "0.2"),
        ordered(MEMORY, "4g", FACTOR, "0.333"),
        ordered(MEMORY, "4g", FACTOR, "1.5"), ordered(MEMORY, "4g", FACTOR, "0"), ordered(MEMORY, "4g", FACTOR, "-0.1"),
        ordered(MEMORY, "7g", FACTOR, "0.29"), ordered(MEMORY, "10000m", FACTOR, "0.29"),
        ordered(MEMORY, "1g", MINIMUM, "0"), ordered(MEMORY, "1g", MINIMUM, "64m"), ordered(MEMORY, "1g", MINIMUM, "1g"),
        ordered(MEMORY, "1g", MINIMUM, "-1"), ordered(MEMORY, "8g", MINIMUM, "500m"),
        ordered(MEMORY, "1g", FACTOR, "0.4", MINIMUM, "64m"),
        ordered(MEMORY, "4g", PYSPARK, "2g"), ordered(MEMORY, "4g", PYSPARK, "0"),
        ordered(MEMORY, "4g", PYSPARK, "1500k"),
        ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "2g"),
        ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "1500k"),
        ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "1000"),
        ordered(MEMORY, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "0"),
        ordered(MEMORY, "4g", OFF_HEAP, "true"),
        ordered(MEMORY, "4g", OFF_HEAP, "false", OFF_HEAP_SIZE, "2g"),
        ordered(MEMORY, "4g", OFF_HEAP_SIZE, "2g"),
        ordered(MEMORY, "8g", OVERHEAD, "1g", PYSPARK, "2g", OFF_HEAP, "true", OFF_HEAP_SIZE, "3g"),
        ordered(MEMORY, "4g", KUBERNETES_FACTOR, "0.2"), ordered(MEMORY, "4g", KUBERNETES_FACTOR, "0.2", FACTOR, "0.3"),
        ordered(MEMORY, "4g", KUBERNETES_FACTOR, "0"), ordered(MEMORY, "4g", KUBERNETES_FACTOR, "1"));

    private static final String D = "spark.driver.memory";
    private static final String D_OVERHEAD = "spark.driver.memoryOverhead";
    private static final String D_FACTOR = "spark.driver.memoryOverheadFactor";
    private static final String D_MINIMUM = "spark.driver.minMemoryOverhead";
    private static final String AM = "spark.yarn.am.memory";
    private static final String AM_OVERHEAD = "spark.yarn.am.memoryOverhead";

    private static final List<Map<String, String>> DRIVERS = List.of(
        ordered(), ordered(D, "512m"), ordered(D, "2g"), ordered(D, "4g"), ordered(D, "8g"), ordered(D, "12345m"),
        ordered(D, "1536k"), ordered(D, "4g", D_OVERHEAD, "0"), ordered(D, "4g", D_OVERHEAD, "100m"),
        ordered(D, "4g", D_OVERHEAD, "2g"),
        ordered(D, "4g", D_FACTOR, "0.05"), ordered(D, "4g", D_FACTOR, "0.2"), ordered(D, "4g", D_FACTOR, "0.333"),
        ordered(D, "4g", D_FACTOR, "0"), ordered(D, "1g", D_MINIMUM, "64m"), ordered(D, "1g", D_MINIMUM, "1g"),
        ordered(D, "4g", D_OVERHEAD, "1g", D_FACTOR, "0.5", D_MINIMUM, "2g"),
        ordered(D, "4g", KUBERNETES_FACTOR, "0.2"), ordered(D, "4g", KUBERNETES_FACTOR, "0.2", D_FACTOR, "0.3"),
        ordered(D, "4g", KUBERNETES_FACTOR, "0.1"),
        ordered(D, "4g", OFF_HEAP, "true", OFF_HEAP_SIZE, "2g"), ordered(D, "4g", PYSPARK, "2g"),
        ordered(D, "4g", AM, "1g"), ordered(AM, "2g", AM_OVERHEAD, "100m"), ordered(AM, "8g"));

    private static Rows containers() {
        Rows rows = new Rows();
        for (Map<String, String> settings : EXECUTORS) {
            container(rows, "yarn", "executor", "jvm", settings, () -> yarnExecutor(settings, false));
            container(rows, "yarn", "executor", "python", settings, () -> yarnExecutor(settings, true));
            for (String app : List.of("jvm", "python", "r")) {
                container(rows, "kubernetes", "executor", app, settings, () -> kubernetesExecutor(settings, app));
            }
        }
        for (Map<String, String> settings : DRIVERS) {
            container(rows, "yarn", "driver", "jvm", settings, () -> yarnMaster(settings, "cluster"));
            container(rows, "yarn", "am", "jvm", settings, () -> yarnMaster(settings, "client"));
            for (String app : List.of("jvm", "python", "r")) {
                container(rows, "kubernetes", "driver", app, settings, () -> kubernetesDriver(settings, app));
            }
        }
        return rows;
    }

    private static void container(Rows rows, String manager, String role, String app, Map<String, String> settings,
            Supplier<Map<String, Object>> answer) {
        Map<String, Object> question = ordered("manager", manager, "role", role, "app", app, "settings", settings);
        rows.ask(question, answer::get);
    }

    /** The call that Spark's YARN allocator makes; the allocator itself would need a resource manager. */
    private static Map<String, Object> yarnExecutor(Map<String, String> settings, boolean python) {
        SparkConf conf = conf(settings).set("spark.yarn.isPython", Boolean.toString(python));
        ResourceProfile profile = defaultProfile(conf);
        return parts(ResourceProfile$.MODULE$.getResourcesForClusterManager(
            profile.id(), profile.executorResources(), (Long) conf.get(CONFIG.EXECUTOR_MIN_MEMORY_OVERHEAD()),
            (Double) conf.get(CONFIG.EXECUTOR_MEMORY_OVERHEAD_FACTOR()), conf, python, Map$.MODULE$.empty()));
    }

    /** As on a cluster: the driver's pod hands settings of its own to the executors, and those decide here. */
    private static Map<String, Object> kubernetesExecutor(Map<String, String> settings, String app) {
        KubernetesDriverConf driver = driverConf(settings, app);
        SparkConf conf = driver.sparkConf().clone();
        handDown(conf, new BasicDriverFeatureStep(driver).getAdditionalPodSystemProperties());
        handDown(conf, new DriverCommandFeatureStep(driver).getAdditionalPodSystemProperties());
        var step = new BasicExecutorFeatureStep(
            KubernetesConf$.MODULE$.createExecutorConf(conf, "1", "oracle", Option.empty(), 0),
            new SecurityManager(conf, Option.empty(), CONFIG.AUTH_SECRET_FILE()), defaultProfile(conf));
        Map<String, Object> answer = new LinkedHashMap<>(parts(step.execResources()));
        answer.put("podMemory", podMemory(step.configurePod(SparkPod$.MODULE$.initialPod())));
        return answer;
    }

    private static void handDown(SparkConf conf, scala.collection.immutable.Map<String, String> properties) {
        CollectionConverters.asJava(properties).forEach(conf::set);
    }

    private static Map<String, Object> kubernetesDriver(Map<String, String> settings, String app) {
        BasicDriverFeatureStep step = new BasicDriverFeatureStep(driverConf(settings, app));
        return ordered(
            "heapMiB", number(step, "driverMemoryMiB"),
            "overheadMiB", number(step, "memoryOverheadMiB"),
            "totalMiB", number(step, "driverMemoryWithOverheadMiB"),
            "podMemory", podMemory(step.configurePod(SparkPod$.MODULE$.initialPod())),
            "executorFactor", step.getAdditionalPodSystemProperties().apply(KUBERNETES_FACTOR));
    }

    private static KubernetesDriverConf driverConf(Map<String, String> settings, String app) {
        SparkConf conf = conf(settings)
            .set("spark.app.name", "oracle")
            .set("spark.kubernetes.container.image", "oracle")
            .set("spark.driver.host", "oracle");
        return KubernetesConf$.MODULE$.createDriverConf(
            conf, "oracle", mainResource(app), "Oracle", new String[0], Option.empty());
    }

    private static MainAppResource mainResource(String app) {
        return switch (app) {
            case "python" -> new PythonMainAppResource("local:///oracle.py");
            case "r" -> new RMainAppResource("local:///oracle.R");
            default -> new JavaMainAppResource(Option.apply("local:///oracle.jar"));
        };
    }

    private static String podMemory(SparkPod pod) {
        Quantity memory = pod.container().getResources().getLimits().get("memory");
        return memory.toString();
    }

    /** In cluster mode this is the driver; in client mode a small master that runs beside it. */
    private static Map<String, Object> yarnMaster(Map<String, String> settings, String deployMode) {
        SparkConf conf = conf(settings).set("spark.submit.deployMode", deployMode);
        Client client = new Client(new ClientArguments(new String[0]), conf, null);
        long heap = number(client, "amMemory");
        long overhead = number(client, "amMemoryOverhead");
        // The sum is made deep inside the submission; it is this one.
        return ordered("heapMiB", heap, "overheadMiB", overhead, "totalMiB", heap + overhead);
    }

    private static Map<String, Object> parts(ResourceProfile.ExecutorResourcesOrDefaults resources) {
        return ordered(
            "heapMiB", resources.executorMemoryMiB(), "overheadMiB", resources.memoryOverheadMiB(),
            "offHeapMiB", resources.memoryOffHeapMiB(), "pysparkMiB", resources.pysparkMemoryMiB(),
            "totalMiB", resources.totalMemMiB());
    }

    /** Spark keeps the first default profile for the life of the process; each question has its own. */
    private static ResourceProfile defaultProfile(SparkConf conf) {
        ResourceProfile$.MODULE$.clearDefaultProfile();
        return ResourceProfile$.MODULE$.getOrCreateDefaultProfile(conf);
    }

    private static long number(Object object, String field) {
        try {
            Field found = object.getClass().getDeclaredField(field);
            found.setAccessible(true);
            return ((Number) found.get(object)).longValue();
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    // --- words

    private static SparkConf conf(Map<String, String> settings) {
        SparkConf conf = new SparkConf(false);
        settings.forEach(conf::set);
        return conf;
    }

    /** A map that keeps the order of its keys and values, which come in turn. */
    @SuppressWarnings("unchecked")
    private static <V> Map<String, V> ordered(Object... keysAndValues) {
        Map<String, V> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            map.put((String) keysAndValues[i], (V) keysAndValues[i + 1]);
        }
        return map;
    }
}
