package compat;

import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;

/** A group member in a thread of its own, which remembers what it was given and what it read. */
final class Member implements AutoCloseable {
    volatile Set<Integer> assigned = Set.of();
    volatile int rebalances;
    volatile Throwable failure;
    final Set<String> read = ConcurrentHashMap.newKeySet();
    final java.util.concurrent.atomic.AtomicInteger count = new java.util.concurrent.atomic.AtomicInteger();
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread thread;
    private volatile boolean stop;
    private volatile Duration patience = Duration.ofSeconds(10);

    Member(Setting setting, String topic, Object... more) {
        consumer = setting.consumer(more);
        consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                note();
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                rebalances++;
                note();
            }
        });
        thread = new Thread(this::work);
        thread.setDaemon(true);
        thread.start();
    }

    private void note() {
        Set<Integer> now = new HashSet<>();
        consumer.assignment().forEach(tp -> now.add(tp.partition()));
        assigned = now;
    }

    private void work() {
        try {
            while (!stop) {
                var records = consumer.poll(Duration.ofMillis(100));
                note();
                for (var record : records) {
                    count.incrementAndGet();
                    read.add(record.partition() + "/" + record.offset());
                }
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
            }
        } catch (WakeupException wanted) {
            // close() asked for it
        } catch (Throwable problem) {
            failure = problem;
        }
        assigned = Set.of();
        consumer.close(patience);
    }

    /** For a member that is already dead to the broker: do not wait for answers. */
    void abandon() throws Exception {
        patience = Duration.ZERO;
        close();
    }

    @Override
    public void close() throws Exception {
        stop = true;
        consumer.wakeup();
        thread.join(30000);
    }
}
