import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.apache.spark.SparkThrowable;

/** A JSON array with one object a line, so that a changed answer shows as one changed line. */
final class Rows {
    private static final ObjectMapper JSON = new ObjectMapper();
    private final List<String> lines = new ArrayList<>();

    void add(Map<String, Object> row) {
        try {
            lines.add(JSON.writeValueAsString(row));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(e);
        }
    }

    /** The question, followed by Spark's answer to it or by the error that it answered with. */
    void ask(Map<String, Object> question, Callable<Map<String, Object>> answer) {
        Map<String, Object> row = new LinkedHashMap<>(question);
        try {
            row.putAll(answer.call());
        } catch (Exception e) {
            row.putAll(error(e));
        }
        add(row);
    }

    private static Map<String, Object> error(Exception e) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("class", e.getClass().getSimpleName());
        if (e instanceof SparkThrowable && ((SparkThrowable) e).getCondition() != null) {
            row.put("condition", ((SparkThrowable) e).getCondition());
        }
        row.put("error", e.getMessage());
        return row;
    }

    void write(Path path) throws IOException {
        String text = "[\n" + String.join(",\n", lines) + "\n]\n";
        Files.writeString(path, text, StandardCharsets.UTF_8);
        System.err.printf("%8d  rows in %s%n", lines.size(), path.getFileName());
    }
}
