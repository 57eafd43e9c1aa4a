// Everything that begins with a produce request.
package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var producing = map[string]scenario{
	"produce-codecs":   codecs,
	"produce-errors":   produceErrors,
	"auto-create":      autoCreate,
	"idempotent-retry": idempotentRetry,
	"large-message":    largeMessage,
	"large-batch":      largeBatch,
	"many-partitions":  manyPartitions,
	"transactional-id": transactionalID,
	"compact-policy":   compactPolicy,
}

func codecs(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		topic := s.topic(admin, "codec-"+name, 1, nil)
		for i, acks := range []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()} {
			client := s.client(kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(codec),
				kgo.ProducerLinger(20*time.Millisecond))
			results := client.ProduceSync(background(30), samples(topic, 0, i*20, 20)...)
			must(results.FirstErr())
			// Without an acknowledgement there is no offset.
			label := []string{"0", "1", "all"}[i]
			if i > 0 {
				f.fact(name+".acks="+label, []int64{results[0].Record.Offset, results[19].Record.Offset})
			}
			waitFor("the end of "+topic, 10, func() bool { return end(admin, topic, 0) == int64(i*20+20) })
			client.Close()
		}
		records := s.readFrom(topic, kgo.NewOffset().At(0), 60)
		f.fact(name+".read", []any{len(records), digest(records)})
	}
	own := s.topic(admin, "codec-broker", 1, map[string]string{"compression.type": "zstd"})
	s.produce(own, 0, 0, 60)
	f.fact("broker-side.digest", digest(s.readFrom(own, kgo.NewOffset().At(0), 60)))
}

func produceErrors(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "errors", 1, map[string]string{"max.message.bytes": "10000",
		"message.timestamp.after.max.ms": "60000"})
	client := s.client(kgo.RecordDeliveryTimeout(5*time.Second), kgo.UnknownTopicRetries(2), kgo.ProducerBatchMaxBytes(1000000),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer client.Close()
	try := func(name string, record *kgo.Record) {
		results := client.ProduceSync(background(20), record)
		f.outcome(name, results.FirstErr())
	}
	try("too large", &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte("x"), 20000)})
	try("no such partition", &kgo.Record{Topic: topic, Partition: 7, Value: []byte("x")})
	try("timestamp in the future", &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.Now().Add(time.Hour)})
	try("invalid topic", &kgo.Record{Topic: "bad/name", Value: []byte("x")})
	try("afterwards", &kgo.Record{Topic: topic, Value: []byte("x")})
	f.fact("end", end(admin, topic, 0))
	appended := s.topic(admin, "log-append", 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	// The delivery timeout of the client above counts from the record's own time.
	patient := s.client()
	defer patient.Close()
	must(patient.ProduceSync(background(20), &kgo.Record{Topic: appended, Timestamp: time.UnixMilli(1000)}).FirstErr())
	record := s.readFrom(appended, kgo.NewOffset().At(0), 1)[0]
	f.fact("log append time", []any{record.Attrs.TimestampType(), record.Timestamp.UnixMilli() > 1000})
}

func autoCreate(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.prefix + "-made-by-produce"
	client := s.client(kgo.AllowAutoTopicCreation())
	defer client.Close()
	results := client.ProduceSync(background(20), &kgo.Record{Topic: topic, Value: []byte("a")})
	must(results.FirstErr())
	f.fact("offset", results[0].Record.Offset)
	known := got(admin.ListTopics(background(10), topic))[topic]
	f.fact("partitions", []int{len(known.Partitions), len(known.Partitions[0].Replicas)})
}

func retry(s setting, f facts, admin *kadm.Client, name, rule string, oneByOne bool, more ...kgo.Opt) {
	topic := s.topic(admin, "retry-"+strings.ReplaceAll(name, " ", "-"), 1, nil)
	client := s.client(append(more, kgo.ClientID(rule+topic), kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(600),
		kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	var offsets []int64
	if oneByOne {
		for _, record := range samples(topic, 0, 0, 50) {
			must(client.ProduceSync(background(20), record).FirstErr())
			offsets = append(offsets, record.Offset)
		}
	} else {
		for _, result := range client.ProduceSync(background(30), samples(topic, 0, 0, 50)...) {
			must(result.Err)
			offsets = append(offsets, result.Record.Offset)
		}
	}
	client.Close()
	last := end(admin, topic, 0)
	f.fact(name+".end", last)
	f.fact(name+".offsets", offsets)
	f.fact(name+".digest", digest(s.readFrom(topic, kgo.NewOffset().At(0), int(last))))
}

func idempotentRetry(s setting, f facts) {
	s = s.through()
	admin := s.admin()
	defer admin.Close()
	retry(s, f, admin, "one at a time", "cut.0.3.", true)
	retry(s, f, admin, "pipelined", "cut.0.4.", false)
	retry(s, f, admin, "without idempotence", "cut.0.3.", true, kgo.DisableIdempotentWrite(),
		kgo.MaxProduceRequestsInflightPerBroker(1))
}

func largeMessage(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "large", 1, map[string]string{"max.message.bytes": "12000000"})
	small := s.topic(admin, "not-large", 1, nil)
	value := make([]byte, 10<<20)
	for i := range value {
		value[i] = byte(uint32(i) * 2654435761 >> 13)
	}
	client := s.client(kgo.ProducerBatchMaxBytes(20000000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer client.Close()
	for i := 0; i < 2; i++ {
		record := &kgo.Record{Topic: topic, Value: value}
		must(client.ProduceSync(background(30), record).FirstErr())
		f.fact(fmt.Sprintf("offset %d", i), record.Offset)
	}
	f.outcome("above the default limit", client.ProduceSync(background(30), &kgo.Record{Topic: small, Value: value}).FirstErr())
	for i, record := range s.readFrom(topic, kgo.NewOffset().At(0), 2) {
		f.fact(fmt.Sprintf("equal %d", i), bytes.Equal(record.Value, value))
	}
}

func largeBatch(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression()} {
		topic := s.topic(admin, "batch-"+name, 1, nil)
		client := s.client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(time.Second))
		var all []*kgo.Record
		for i := 0; i < 10000; i++ {
			all = append(all, &kgo.Record{Topic: topic, Value: []byte(fmt.Sprintf("record %d", i))})
		}
		results := client.ProduceSync(background(30), all...)
		must(results.FirstErr())
		client.Close()
		f.fact(name+".offsets", []int64{all[0].Offset, all[9999].Offset})
		records := s.readFrom(topic, kgo.NewOffset().At(0), 10000)
		f.fact(name+".read", []any{len(records), digest(records)})
		f.fact(name+".from the middle", s.readFrom(topic, kgo.NewOffset().At(5000), 1)[0].Offset)
	}
}

func manyPartitions(s setting, f facts) {
	partitions := 1000
	if s.gate {
		partitions = 2000
	}
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "many", int32(partitions), nil)
	client := s.client(kgo.ProducerLinger(50 * time.Millisecond))
	var all []*kgo.Record
	for i := 0; i < partitions; i++ {
		all = append(all, &kgo.Record{Topic: topic, Partition: int32(i), Value: []byte(fmt.Sprintf("p%d", i))})
	}
	must(client.ProduceSync(background(60), all...).FirstErr())
	client.Close()
	atZero, values := true, true
	for _, record := range all {
		atZero = atZero && record.Offset == 0
	}
	f.fact("all at offset 0", atZero)
	group := s.prefix + "-many"
	reader := s.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	records, err := read(reader, partitions, 60)
	must(err)
	seen := map[int32]bool{}
	for _, record := range records {
		seen[record.Partition] = true
		values = values && string(record.Value) == fmt.Sprintf("p%d", record.Partition)
	}
	f.fact("read", []any{len(records), len(seen), values})
	must(reader.CommitUncommittedOffsets(background(30)))
	reader.Close()
	f.fact("committed", len(got(admin.FetchOffsets(background(30), group))[topic]))
	_, err = admin.DeleteTopic(background(30), topic)
	must(err)
}

func transactionalID(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "transactions", 1, nil)
	client := s.client(kgo.TransactionalID(s.prefix+"-tx"), kgo.RecordDeliveryTimeout(8*time.Second))
	defer client.Close()
	f.outcome("begin", client.BeginTransaction())
	sent := client.ProduceSync(background(10), &kgo.Record{Topic: topic, Value: []byte("in a transaction")}).FirstErr()
	f.outcome("send", sent)
	f.outcome("commit", client.EndTransaction(background(10), kgo.TryCommit))
	if sent == nil {
		waitFor("the marker", 10, func() bool { return end(admin, topic, 0) == 2 })
	}
	visible := 0
	if end(admin, topic, 0) > 0 {
		visible = len(s.readFrom(topic, kgo.NewOffset().At(0), 1))
	}
	f.fact("visible records", visible)
}

func compactPolicy(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	for name, policy := range map[string]string{"compact": "compact", "both": "compact,delete"} {
		_, err := admin.CreateTopic(background(10), 1, 1, map[string]*string{"cleanup.policy": &policy}, s.prefix+"-"+name)
		f.outcome(name, err)
	}
}
