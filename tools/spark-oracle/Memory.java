import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;

import org.apache.spark.SparkConf;
import org.apache.spark.memory.ExecutionMemoryPool;
import org.apache.spark.memory.MemoryMode;
import org.apache.spark.memory.MemoryPool;
import org.apache.spark.memory.StorageMemoryPool;
import org.apache.spark.memory.UnifiedMemoryManager;
import org.apache.spark.storage.BlockId;
import org.apache.spark.storage.BlockInfo;
import org.apache.spark.storage.BlockInfoManager;
import org.apache.spark.storage.RDDBlockId;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.storage.memory.BlockEvictionHandler;
import org.apache.spark.storage.memory.MemoryStore;
import org.apache.spark.util.io.ChunkedByteBuffer;

import scala.Function0;
import scala.Option;
import scala.collection.mutable.HashMap;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;
import scala.util.Either;

/**
 * Drives Spark's unified memory manager and memory store with random steps and writes down what they did.
 *
 * <p>Usage: {@code java -cp 'jars/*' Memory.java OUT SEED TRACES}. The format is in README.md. A summary of what was
 * exercised goes to stderr, because random steps prove nothing about a case that they never reached.
 */
public final class Memory {
    public static void main(String[] args) throws Exception {
        long seed = Long.parseLong(args[1]);
        int traces = Integer.parseInt(args[2]);
        Summary summary = new Summary();
        try (PrintWriter out = open(Path.of(args[0]))) {
            for (int index = 0; index < traces; index++) {
                new Trace(seed + index, Profile.of(index), out, summary).record();
            }
        }
        System.err.println(summary);
    }

    private static PrintWriter open(Path path) throws IOException {
        return new PrintWriter(Files.newBufferedWriter(path, StandardCharsets.UTF_8));
    }
}

/** What a trace is mostly made of: how often each kind of step is tried. */
enum Profile {
    //            a   r  R   c  g  l  u  d  n  N
    EXECUTION(new int[] {50, 20, 6, 8, 2, 1, 2, 1, 2, 2}),
    CACHE(new int[] {10, 6, 2, 44, 10, 6, 5, 4, 6, 5}),
    MIXED(new int[] {30, 14, 5, 24, 5, 4, 4, 3, 4, 4}),
    CHURN(new int[] {42, 6, 20, 14, 3, 2, 3, 1, 3, 3}),
    /** Blocks held by readers and let go again: what one look cannot evict, a later one can. */
    PINNED(new int[] {30, 22, 2, 30, 4, 24, 26, 2, 1, 1});

    final int[] weights;

    Profile(int[] weights) {
        this.weights = weights;
    }

    static Profile of(int index) {
        return values()[index % values().length];
    }
}

/** Counts of what the traces exercised. */
final class Summary {
    private final TreeMap<String, Integer> counts = new TreeMap<>();

    void count(String what, int times) {
        counts.merge(what, times, Integer::sum);
    }

    void count(String what) {
        count(what, 1);
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        counts.forEach((what, times) -> text.append(String.format("%8d  %s%n", times, what)));
        return text.toString();
    }
}

/** The memory manager and the store that it evicts from, wired as a block manager wires them. */
final class Rig implements BlockEvictionHandler {
    private static final ClassTag<Object> ANY = ClassTag$.MODULE$.apply(Object.class);
    /** No task context here: Spark files such locks under this pseudo task. */
    private static final Option<Object> NO_TASK = Option.empty();

    final UnifiedMemoryManager manager;
    /** What execution may not evict of on-heap storage: the manager keeps this to itself. */
    final long heapRegion;
    private final BlockInfoManager locks = new BlockInfoManager(false);
    private final MemoryStore store;
    private final List<String> evicted = new ArrayList<>();

    Rig(long maxHeap, long heapRegion, long maxOffHeap, double storageFraction, int cores) {
        this.heapRegion = heapRegion;
        SparkConf conf = new SparkConf(false)
            .set("spark.memory.storageFraction", Double.toString(storageFraction))
            .set("spark.memory.offHeap.enabled", Boolean.toString(maxOffHeap > 0))
            .set("spark.memory.offHeap.size", Long.toString(maxOffHeap))
            // Otherwise a background thread of Spark's would take part in the accounting.
            .set("spark.memory.unmanagedMemoryPollingInterval", "0s");
        manager = new UnifiedMemoryManager(conf, maxHeap, heapRegion, cores);
        // A serializer is only needed to store objects, and these blocks are bytes.
        store = new MemoryStore(conf, locks, null, manager, this);
        manager.setMemoryStore(store);
    }

    /** Keeps to the contract of Spark's block manager for a memory-only block: forget the bytes, name no other place. */
    @Override
    public <T> StorageLevel dropFromMemory(
            BlockId block, Function0<Either<Object, ChunkedByteBuffer>> data, ClassTag<T> tag) {
        store.remove(block);
        evicted.add(name(block));
        return StorageLevel.NONE();
    }

    boolean cache(BlockId block, long bytes, MemoryMode mode) {
        StorageLevel level = mode == MemoryMode.OFF_HEAP ? StorageLevel.OFF_HEAP() : StorageLevel.MEMORY_ONLY_SER();
        locks.lockNewBlockForWriting(block, new BlockInfo(level, ANY, false), false);
        boolean stored = store.putBytes(block, bytes, mode, () -> zeroes(bytes), ANY);
        if (stored) {
            locks.unlock(block, NO_TASK);
        } else {
            locks.removeBlock(block);
        }
        return stored;
    }

    boolean read(BlockId block) {
        return store.getBytes(block).isDefined();
    }

    boolean contains(BlockId block) {
        return store.contains(block);
    }

    void pin(BlockId block) {
        locks.lockForReading(block, false).get();
    }

    void unpin(BlockId block) {
        locks.unlock(block, NO_TASK);
    }

    void drop(BlockId block) {
        locks.lockForWriting(block, false).get();
        store.remove(block);
        locks.removeBlock(block);
    }

    private static ChunkedByteBuffer zeroes(long bytes) {
        return new ChunkedByteBuffer(ByteBuffer.allocate((int) bytes));
    }

    static String name(BlockId block) {
        RDDBlockId id = (RDDBlockId) block;
        return id.rddId() + "_" + id.splitIndex();
    }

    ExecutionMemoryPool execution(MemoryMode mode) {
        return mode == MemoryMode.ON_HEAP ? manager.onHeapExecutionMemoryPool() : manager.offHeapExecutionMemoryPool();
    }

    StorageMemoryPool storage(MemoryMode mode) {
        return mode == MemoryMode.ON_HEAP ? manager.onHeapStorageMemoryPool() : manager.offHeapStorageMemoryPool();
    }

    /** The execution tasks that Spark counts as active in this mode: its map of them is private. */
    @SuppressWarnings("unchecked")
    HashMap<Object, Object> activeTasks(MemoryMode mode) {
        try {
            var field = ExecutionMemoryPool.class.getDeclaredField("memoryForTask");
            field.setAccessible(true);
            return (HashMap<Object, Object>) field.get(execution(mode));
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /** The eight numbers of the state columns, then the blocks evicted since the last call. */
    String takeState() {
        synchronized (manager) {
            StringBuilder text = new StringBuilder();
            for (MemoryMode mode : MemoryMode.values()) {
                append(text, execution(mode));
                append(text, storage(mode));
            }
            if (!evicted.isEmpty()) {
                text.append(" | ").append(String.join(",", evicted));
                evicted.clear();
            }
            return text.toString();
        }
    }

    private static void append(StringBuilder text, MemoryPool pool) {
        String gap = text.isEmpty() ? "" : " ";
        text.append(gap).append(pool.poolSize()).append(' ').append(pool.memoryUsed());
    }
}

/** One call of acquireExecutionMemory, in a thread of its own because it may wait for other tasks. */
final class Acquisition extends Thread {
    final long task;
    final MemoryMode mode;
    private final long bytes;
    private final Rig rig;
    private volatile boolean entered;
    private Throwable failure;
    /** What was granted and the state right after; valid once the thread has ended. */
    long granted;
    String state;

    Acquisition(Rig rig, long task, MemoryMode mode, long bytes) {
        this.rig = rig;
        this.task = task;
        this.mode = mode;
        this.bytes = bytes;
        setDaemon(true);
    }

    @Override
    public void run() {
        // The manager's own monitor: waiting inside gives it up, and holding it until the state is read keeps another
        // thread that this acquisition wakes from changing that state first.
        synchronized (rig.manager) {
            entered = true;
            try {
                granted = rig.manager.acquireExecutionMemory(bytes, task, mode);
                state = rig.takeState();
            } catch (Throwable e) {
                failure = e;
            }
        }
    }

    /**
     * Lets the acquisition run as far as it can: true once it has its answer, false if it waits for others.
     *
     * <p>This does not depend on timing. We hold the monitor while we look, so a thread that has entered is either
     * done or inside Object.wait. One that was notified but has not looked again yet is no longer WAITING: HotSpot's
     * notifyAll itself sets its state to BLOCKED, before the notifier goes on.
     */
    boolean settle() {
        while (isAlive()) {
            synchronized (rig.manager) {
                if (entered && getState() == State.WAITING) {
                    return false;
                }
            }
            LockSupport.parkNanos(1_000);
        }
        if (failure != null) {
            throw new IllegalStateException(failure);
        }
        return true;
    }

    void cancel() throws InterruptedException {
        interrupt();
        join();
        if (!(failure instanceof InterruptedException)) {
            throw new IllegalStateException("cancelled acquisition did not end by the interrupt", failure);
        }
    }
}

/** A random walk over one rig. Every choice depends only on the seed and on what Spark answered. */
final class Trace {
    private static final int PARTITIONS = 12;

    /** A choice among steps; false if there is nothing to do it on at the moment. */
    private interface Step {
        boolean tryOnce() throws Exception;
    }

    private final SplittableRandom random;
    private final PrintWriter out;
    private final Summary summary;
    private final Profile profile;
    private final Rig rig;
    private final boolean hasOffHeap;
    private final int tasks;
    private final int rdds;
    private final List<BlockId> pins = new ArrayList<>();
    private final long[] unrolled = new long[2];
    /** In the order of the columns of {@link Profile}. */
    private final Step[] steps = {
        this::acquire, this::release, this::releaseAll, this::cache, this::read, this::pin, this::unpin, this::drop,
        this::unroll, this::releaseUnroll,
    };

    /** The one acquisition that waits, if any: with two, which of them wakes first would be up to the machine. */
    private Acquisition waiter;
    private String lastPools = "";

    Trace(long seed, Profile profile, PrintWriter out, Summary summary) {
        this.random = new SplittableRandom(seed);
        this.out = out;
        this.summary = summary;
        this.profile = profile;
        this.tasks = profile == Profile.CHURN ? random.nextInt(6, 13) : random.nextInt(1, 13);
        this.rdds = random.nextInt(1, 6);
        this.hasOffHeap = random.nextInt(4) > 0;
        long maxHeap = magnitude();
        long maxOffHeap = hasOffHeap ? magnitude() : 0;
        double fraction = pick(new double[] {0.0, 0.1, 0.3, 0.5, 0.5, 0.5, 0.7, 0.9, 0.99});
        int cores = random.nextInt(1, 9);
        this.rig = new Rig(maxHeap, (long) (maxHeap * fraction), maxOffHeap, fraction, cores);
        out.printf("T %d %d %d %d %d %d\n", seed, maxHeap, rig.heapRegion, rig.manager.maxOffHeapMemory(),
            rig.manager.offHeapStorageMemory(), cores);
        summary.count("T traces");
    }

    void record() throws Exception {
        int length = random.nextInt(80, 140);
        for (int step = 0; step < length; step++) {
            if (waiter != null && chance(16)) {
                cancelWaiter();
            } else {
                while (!steps[weighted(profile.weights)].tryOnce()) {
                    // Not possible right now; another draw finds one that is, a cached block or an acquisition.
                }
            }
        }
        if (waiter != null) {
            cancelWaiter();
        }
        for (int task = 0; task < tasks; task++) {
            releaseAll(task);
        }
    }

    // --- execution memory

    private boolean acquire() {
        long task = random.nextInt(tasks);
        MemoryMode mode = mode();
        long bytes = executionBytes(task, mode);
        if (waiter != null && (task == waiter.task || couldWait(task, mode, bytes))) {
            return false;
        }
        Acquisition acquisition = new Acquisition(rig, task, mode, bytes);
        acquisition.start();
        String step = "a " + task + " " + letter(mode) + " " + bytes + " = ";
        if (acquisition.settle()) {
            summary.count(acquisition.granted == bytes ? "a granted in full"
                : acquisition.granted > 0 ? "a granted in part" : "a granted 0");
            write(step + acquisition.granted, acquisition.state);
            wake();
        } else {
            write(step + "wait", rig.takeState());
            summary.count("a waits");
            waiter = acquisition;
        }
        return true;
    }

    /** Whether Spark might make this acquisition wait: false only if it certainly will not. */
    private boolean couldWait(long task, MemoryMode mode, long bytes) {
        long held = rig.execution(mode).getMemoryUsageForTask(task);
        boolean holdsItsMinimum = held > 0 && held >= region(mode) / (2L * activeWith(task, mode));
        boolean fits = bytes <= rig.execution(mode).memoryFree() && held + bytes <= share(task, mode);
        return !holdsItsMinimum && !fits;
    }

    private boolean release() {
        long task = random.nextInt(tasks);
        MemoryMode mode = mode();
        long held = rig.execution(mode).getMemoryUsageForTask(task);
        if (isWaiting(task)) {
            return releasePartOfWaiter(task, mode, held);
        }
        if (held == 0 && !chance(20)) {
            return false;
        }
        long bytes = switch (random.nextInt(12)) {
            case 0 -> held + 1 + random.nextLong(1_000);
            case 1, 2, 3 -> held;
            case 4 -> Math.min(held, 1);
            default -> random.nextLong(held + 1);
        };
        summary.count(bytes > held ? "r more than held" : "r within what is held");
        return release(task, mode, bytes);
    }

    /** A task that waits keeps at least a byte: giving up all would take it off Spark's list while it waits. */
    private boolean releasePartOfWaiter(long task, MemoryMode mode, long held) {
        if (held < 2) {
            return false;
        }
        summary.count("r by the task that waits");
        return release(task, mode, random.nextLong(1, held));
    }

    private boolean release(long task, MemoryMode mode, long bytes) {
        String state;
        synchronized (rig.manager) {
            rig.manager.releaseExecutionMemory(bytes, task, mode);
            state = rig.takeState();
        }
        write("r " + task + " " + letter(mode) + " " + bytes, state);
        wake();
        return true;
    }

    private boolean releaseAll() {
        long task = random.nextInt(tasks);
        return !isWaiting(task) && releaseAll(task);
    }

    private boolean releaseAll(long task) {
        long freed;
        String state;
        synchronized (rig.manager) {
            freed = rig.manager.releaseAllExecutionMemoryForTask(task);
            state = rig.takeState();
        }
        write("R " + task + " = " + freed, state);
        wake();
        return true;
    }

    private boolean isWaiting(long task) {
        return waiter != null && waiter.task == task;
    }

    private void cancelWaiter() throws InterruptedException {
        waiter.cancel();
        write("i " + waiter.task + " " + letter(waiter.mode), rig.takeState());
        waiter = null;
    }

    /** Writes what the last step made of the acquisition that waits, if it made a difference. */
    private void wake() {
        if (waiter == null) {
            return;
        }
        String step = "w " + waiter.task + " " + letter(waiter.mode) + " = ";
        if (waiter.settle()) {
            write(step + waiter.granted, waiter.state);
            summary.count("w granted");
            waiter = null;
        } else {
            String state = rig.takeState();
            if (!state.equals(lastPools)) {
                write(step + "wait", state);
                summary.count("w took memory and waits again");
            }
        }
    }

    // --- storage memory

    private boolean cache() {
        BlockId block = anyBlock();
        if (rig.contains(block)) {
            return false;
        }
        MemoryMode mode = mode();
        long bytes = storageBytes(mode);
        boolean stored;
        String state;
        synchronized (rig.manager) {
            stored = rig.cache(block, bytes, mode);
            state = rig.takeState();
        }
        summary.count(bytes == 0 ? "c of zero bytes" : stored ? "c stored" : "c refused");
        write("c " + words(block) + " " + letter(mode) + " " + bytes + " = " + bit(stored), state);
        wake();
        return true;
    }

    private boolean read() {
        BlockId block = anyBlock();
        boolean found = rig.contains(block);
        if (!found && !chance(5)) {
            return false;
        }
        write("g " + words(block) + " = " + bit(rig.read(block)), rig.takeState());
        return true;
    }

    private boolean pin() {
        BlockId block = anyBlock();
        if (!rig.contains(block) || pins.size() >= 4) {
            return false;
        }
        rig.pin(block);
        pins.add(block);
        write("l " + words(block), rig.takeState());
        return true;
    }

    private boolean unpin() {
        if (pins.isEmpty()) {
            return false;
        }
        BlockId block = pins.remove(random.nextInt(pins.size()));
        rig.unpin(block);
        write("u " + words(block), rig.takeState());
        return true;
    }

    private boolean drop() {
        BlockId block = anyBlock();
        if (!rig.contains(block) || pins.contains(block)) {
            return false;
        }
        rig.drop(block);
        write("d " + words(block), rig.takeState());
        return true;
    }

    private boolean unroll() {
        BlockId block = anyBlock();
        if (rig.contains(block)) {
            return false;
        }
        MemoryMode mode = mode();
        long bytes = storageBytes(mode);
        boolean acquired;
        String state;
        synchronized (rig.manager) {
            acquired = rig.manager.acquireUnrollMemory(block, bytes, mode);
            state = rig.takeState();
        }
        unrolled[mode.ordinal()] += acquired ? bytes : 0;
        summary.count(acquired ? "n acquired" : "n refused");
        write("n " + words(block) + " " + letter(mode) + " " + bytes + " = " + bit(acquired), state);
        wake();
        return true;
    }

    private boolean releaseUnroll() {
        MemoryMode mode = mode();
        long held = unrolled[mode.ordinal()];
        if (held == 0) {
            return false;
        }
        long bytes = chance(2) ? held : random.nextLong(1, held + 1);
        rig.manager.releaseUnrollMemory(bytes, mode);
        unrolled[mode.ordinal()] -= bytes;
        write("N " + letter(mode) + " " + bytes, rig.takeState());
        return true;
    }

    // --- sizes: most of them near a border of the policy, where mistakes live

    private long executionBytes(long task, MemoryMode mode) {
        long held = rig.execution(mode).getMemoryUsageForTask(task);
        long bytes = switch (random.nextInt(14)) {
            case 0 -> 1;
            case 1, 2, 3 -> random.nextLong(1, region(mode) / 40 + 2);
            case 4, 5 -> random.nextLong(1, region(mode) / 4 + 2);
            case 6 -> random.nextLong(1, region(mode) + 2);
            case 7 -> region(mode) + random.nextLong(region(mode) + 1);
            case 8 -> rig.execution(mode).memoryFree() + nudge();
            case 9 -> rig.execution(mode).memoryFree() + rig.storage(mode).memoryFree() + nudge();
            case 10 -> share(task, mode) - held + nudge();
            case 11 -> rig.execution(mode).poolSize() / (2L * activeWith(task, mode)) - held + nudge();
            case 12 -> region(mode) / activeWith(task, mode) - held + nudge();
            default -> region(mode) - storageFloor(mode) - rig.execution(mode).memoryUsed() + nudge();
        };
        return Math.max(1, bytes);
    }

    private long storageBytes(MemoryMode mode) {
        long storageFree = rig.storage(mode).memoryFree();
        long bothFree = storageFree + rig.execution(mode).memoryFree();
        long bytes = switch (random.nextInt(14)) {
            case 0 -> 0;
            case 1, 2, 3, 4 -> random.nextLong(region(mode) / 30 + 1);
            case 5, 6, 7 -> random.nextLong(region(mode) / 6 + 1);
            case 8 -> random.nextLong(region(mode) + 1);
            case 9 -> storageFree + nudge();
            case 10 -> bothFree + nudge();
            case 11 -> region(mode) - rig.execution(mode).memoryUsed() + nudge();
            case 12 -> bothFree / 2;
            default -> bothFree + rig.storage(mode).memoryUsed() / 2;
        };
        return Math.max(0, bytes);
    }

    private long region(MemoryMode mode) {
        return mode == MemoryMode.ON_HEAP ? rig.manager.maxHeapMemory() : rig.manager.maxOffHeapMemory();
    }

    private long storageFloor(MemoryMode mode) {
        long floor = mode == MemoryMode.ON_HEAP ? rig.heapRegion : rig.manager.offHeapStorageMemory();
        return Math.min(rig.storage(mode).memoryUsed(), floor);
    }

    /** What a task may hold at most, if it were to ask now. */
    private long share(long task, MemoryMode mode) {
        return (region(mode) - storageFloor(mode)) / activeWith(task, mode);
    }

    private int activeWith(long task, MemoryMode mode) {
        HashMap<Object, Object> active = rig.activeTasks(mode);
        return active.size() + (active.contains(task) ? 0 : 1);
    }

    /** From 1,000 to 1,000,000 bytes, as many small as large. */
    private long magnitude() {
        return Math.round(Math.pow(10, 3 + 3 * random.nextDouble()));
    }

    private int nudge() {
        return random.nextInt(3) - 1;
    }

    // --- choices and words

    private MemoryMode mode() {
        // Without off-heap memory its pools are empty; what they answer is still worth a few steps.
        return chance(hasOffHeap ? 3 : 25) ? MemoryMode.OFF_HEAP : MemoryMode.ON_HEAP;
    }

    private BlockId anyBlock() {
        return new RDDBlockId(random.nextInt(rdds), random.nextInt(PARTITIONS));
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    private double pick(double[] choices) {
        return choices[random.nextInt(choices.length)];
    }

    private int weighted(int[] weights) {
        int total = 0;
        for (int weight : weights) {
            total += weight;
        }
        int left = random.nextInt(total);
        int index = 0;
        while (left >= weights[index]) {
            left -= weights[index++];
        }
        return index;
    }

    private void write(String step, String state) {
        out.print(step + " | " + state + "\n");
        lastPools = state.split(" \\| ")[0];
        summary.count(step.substring(0, 1) + " steps");
        summary.count("steps");
        if (!lastPools.equals(state)) {
            summary.count("evicting steps of " + step.substring(0, 1));
            summary.count("evicted blocks", state.split(",").length);
        }
    }

    private static String words(BlockId block) {
        return Rig.name(block).replace('_', ' ');
    }

    private static char letter(MemoryMode mode) {
        return mode == MemoryMode.ON_HEAP ? 'h' : 'o';
    }

    private static char bit(boolean yes) {
        return yes ? '1' : '0';
    }
}
