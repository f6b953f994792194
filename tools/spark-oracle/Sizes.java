import java.math.BigInteger;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

import org.apache.spark.SparkConf;
import org.apache.spark.internal.config.ConfigBuilder;
import org.apache.spark.internal.config.OptionalConfigEntry;
import org.apache.spark.network.util.ByteUnit;
import org.apache.spark.network.util.JavaUtils;

/**
 * Records how Spark reads sizes and durations. Usage: {@code Sizes SIZES.json TIMES.json}.
 *
 * <p>It asks through config entries and not through the parser below them, because the two differ: only an entry takes
 * a minus sign, and an entry's error names the key.
 */
public final class Sizes {
    /** Followed by the unit: Spark takes each key only once. */
    private static final String SIZE = "spark.oracle.size.";
    private static final String TIME = "spark.oracle.time.";

    private static final Map<String, ByteUnit> BYTE_UNITS = new TreeMap<>(Map.of(
        "b", ByteUnit.BYTE, "k", ByteUnit.KiB, "m", ByteUnit.MiB, "g", ByteUnit.GiB));

    private static final List<String> SIZES = List.of(
        "4g", "512m", "1024", "4gb", "4GB", "4G", "4Gb", "4gB", " 4g ", "4 g", "\t4g\n", "1t", "1tb", "1p", "1pb",
        "1e", "0", "00", "007m", "0g", "-0", "-1", "-1g", "- 1g", "--1", "+1", "+1g", "1.5g", "0.5", "1.0", ".5g",
        "1.g", "1,024", "1_024", "", " ", "abc", "10x", "4kb", "4k", "4K", "1023", "1025k", "1536k", "1048575",
        "1048576", "1073741823", "1b", "1B", "1024b", "1kib", "1KiB", "4mib", "4MiB", "4gib", "4GiB", "1e3", "0x10",
        "1mm", "m", "g4", "4g4", "4 gb", "9223372036854775807", "9223372036854775808", "9223372036854775807k",
        "9007199254740992k", "9007199254740991k", "10000000p", "8191p", "8192p", "8388607t", "8388608t", "٤g", "4g;",
        "null", "true", "infinity");

    private static final List<String> TIMES = List.of(
        "10s", "10S", "10", "0", "1500ms", "1.5s", "500us", "2m", "2min", "2h", "3d", " 10s ", "10 s", "-1", "-1s", "",
        "abc", "10x", "10sec", "100ns", "999ms", "60000ms", "1w", "9223372036854775807", "9223372036854775807d");

    private static final Map<String, TimeUnit> TIME_UNITS = new TreeMap<>(Map.of(
        "ms", TimeUnit.MILLISECONDS, "s", TimeUnit.SECONDS, "min", TimeUnit.MINUTES));

    public static void main(String[] args) throws Exception {
        sizes().write(Path.of(args[0]));
        times().write(Path.of(args[1]));
    }

    private static Rows sizes() {
        Rows rows = new Rows();
        BYTE_UNITS.forEach((letter, unit) -> {
            OptionalConfigEntry<Object> entry = new ConfigBuilder(SIZE + letter).bytesConf(unit).createOptional();
            for (String input : SIZES) {
                rows.ask(question(input, letter, () -> JavaUtils.byteStringAs(input, unit)),
                    () -> size(read(entry, input), unit));
            }
        });
        return rows;
    }

    private static Rows times() {
        Rows rows = new Rows();
        TIME_UNITS.forEach((name, unit) -> {
            OptionalConfigEntry<Object> entry = new ConfigBuilder(TIME + name).timeConf(unit).createOptional();
            for (String input : TIMES) {
                rows.ask(question(input, name, () -> JavaUtils.timeStringAs(input, unit)),
                    () -> Map.of("value", read(entry, input)));
            }
        });
        return rows;
    }

    /** With what the bare parser says if it refuses: its words tell more than those of the entry around it. */
    private static Map<String, Object> question(String input, String unit, LongSupplier parser) {
        Map<String, Object> question = new LinkedHashMap<>();
        question.put("input", input);
        question.put("unit", unit);
        try {
            parser.getAsLong();
        } catch (IllegalArgumentException e) {
            question.put("parserError", e.getMessage());
        }
        return question;
    }

    private static long read(OptionalConfigEntry<Object> entry, String input) {
        return (Long) new SparkConf(false).set(entry.key(), input).get(entry).get();
    }

    /** The value in the property's own unit and in bytes; no bytes if they are more than a long holds. */
    private static Map<String, Object> size(long value, ByteUnit unit) {
        BigInteger bytes = BigInteger.valueOf(value).multiply(BigInteger.valueOf(unit.toBytes(1)));
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("value", value);
        answer.put("bytes", bytes.bitLength() < Long.SIZE ? bytes : null);
        return answer;
    }
}
