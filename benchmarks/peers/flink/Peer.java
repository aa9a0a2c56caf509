// Flink SQL on workload W1: Kafka -> JSON -> both windows and the EWMA z-score -> sinks that forget.
//
//   java -cp 'lib/*:classes' Peer BOOTSTRAP TOPIC EVENTS CHECKPOINT_MS FOLDER
//
// One JVM with a local cluster, parallelism 1. Runs the job once for each line it reads and answers with a line
// `=> {...}`: CPU seconds of the whole JVM (JIT, garbage collector and network threads counted) from a tenth of the
// events to 85 %, as for the other contenders, so that starting and ending a job is left out.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.ArgumentTrait;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

public class Peer {

    /** The middle of a run; the score sees every event, in one thread. */
    static final class Stretch {
        static long seen;
        static long begin;
        static long end;
        static double[] cpu = new double[2];
        static long[] wall = new long[2];

        static void over(long events) {
            seen = 0;
            begin = events / 10;
            end = events * 85 / 100;
        }

        static void note() {
            seen++;
            if (seen == begin || seen == end) {
                int at = seen == begin ? 0 : 1;
                cpu[at] = cpuSeconds();
                wall[at] = System.nanoTime();
            }
        }
    }

    /** SQL has no recursion over rows; a process table function is Flink's own way to keep state of a key. */
    @DataTypeHint("ROW<score DOUBLE>")
    public static class Ewma extends ProcessTableFunction<Row> {
        private static final double ALPHA = 0.05;

        public static class State {
            public boolean begun = false;
            public double mean = 0.0;
            public double variance = 1.0;
        }

        public void eval(@StateHint State state, @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row input) {
            Stretch.note();
            double value = input.<Double>getFieldAs("value");
            if (!state.begun) {
                state.begun = true;
                state.mean = value;
            }
            double difference = value - state.mean;
            state.mean += ALPHA * difference;
            state.variance = (1 - ALPHA) * (state.variance + ALPHA * difference * difference);
            collect(Row.of(Math.abs(difference) / (Math.sqrt(state.variance) + 1e-9)));
        }
    }

    private static final String FIGURES =
            "asset, tag, COUNT(*), MIN(`value`), MAX(`value`), AVG(`value`), STDDEV_POP(`value`)";
    private static final String WINDOW =
            "(started TIMESTAMP(3), asset STRING, tag STRING, n BIGINT, low DOUBLE, high DOUBLE, mean DOUBLE, std DOUBLE)"
                    + " WITH ('connector' = 'blackhole')";

    private static String windows(String sink, String function) {
        return "INSERT INTO " + sink + " SELECT window_start, " + FIGURES + " FROM TABLE(" + function
                + ") GROUP BY window_start, window_end, asset, tag";
    }

    private static StreamTableEnvironment tables(String[] arguments) {
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", "1");
        settings.setString("rest.port", "0");
        if (Long.parseLong(arguments[3]) > 0) {
            settings.setString("execution.checkpointing.interval", arguments[3] + " ms");
            settings.setString("execution.checkpointing.storage", "filesystem");
            settings.setString("execution.checkpointing.dir", "file://" + arguments[4]);
        }
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.executeSql("CREATE TABLE readings (ts BIGINT, asset STRING, tag STRING, `value` DOUBLE, q INT, unit STRING,"
                + " happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '5' SECOND) WITH ("
                + "'connector' = 'kafka', 'topic' = '" + arguments[1] + "', 'properties.bootstrap.servers' = '"
                + arguments[0] + "', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset',"
                + " 'scan.bounded.mode' = 'latest-offset')");
        tables.executeSql("CREATE TABLE tumbling " + WINDOW);
        tables.executeSql("CREATE TABLE hopping " + WINDOW);
        tables.executeSql("CREATE TABLE scores (asset STRING, tag STRING, score DOUBLE) WITH ('connector' = 'blackhole')");
        tables.createTemporarySystemFunction("Ewma", Ewma.class);
        return tables;
    }

    private static void run(StreamTableEnvironment tables) throws Exception {
        StatementSet job = tables.createStatementSet();
        job.addInsertSql(windows("tumbling", "TUMBLE(TABLE readings, DESCRIPTOR(happened), INTERVAL '10' SECOND)"));
        job.addInsertSql(
                windows("hopping", "HOP(TABLE readings, DESCRIPTOR(happened), INTERVAL '5' SECOND, INTERVAL '60' SECOND)"));
        job.addInsertSql("INSERT INTO scores SELECT asset, tag, score FROM"
                + " Ewma(input => TABLE readings PARTITION BY (asset, tag))");
        job.execute().await();
    }

    private static double cpuSeconds() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime() / 1e9;
    }

    private static double heldMegabytes() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Double.parseDouble(line.replaceAll("[^0-9]", "")) / 1024;
            }
        }
        return 0.0;
    }

    public static void main(String[] arguments) throws Exception {
        StreamTableEnvironment tables = tables(arguments);
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in));
        long events = Long.parseLong(arguments[2]);
        System.out.printf(Locale.ROOT, "=> {\"start_cpu_s\": %.4f}%n", cpuSeconds());
        while (asked.readLine() != null) {
            Stretch.over(events);
            run(tables);
            System.out.printf(Locale.ROOT, "=> {\"events\": %d, \"cpu_s\": %.4f, \"wall_s\": %.4f, \"rss_mb\": %.0f}%n",
                    Stretch.end - Stretch.begin, Stretch.cpu[1] - Stretch.cpu[0],
                    (Stretch.wall[1] - Stretch.wall[0]) / 1e9, heldMegabytes());
        }
        System.exit(0);
    }
}
