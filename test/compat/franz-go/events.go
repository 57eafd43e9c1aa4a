// The event store met by a plain client: see harness/events.py for what each scenario shows.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var eventStore = map[string]scenario{
	"events-append":      eventsAppend,
	"events-batch":       eventsBatch,
	"events-refused":     eventsRefused,
	"events-idempotent":  eventsIdempotent,
	"events-retry":       eventsRetry,
	"events-partitioner": eventsPartitioner,
	"events-read":        eventsRead,
	"events-admin":       eventsAdmin,
}

// told is "ok", or the error's name and the whole text that an application sees.
func told(err error) any {
	if err == nil {
		return "ok"
	}
	var known *kerr.Error
	if errors.As(err, &known) {
		return []string{known.Message, err.Error()}
	}
	return []string{"", err.Error()}
}

func toldWith(err error, message string) any {
	if err == nil {
		return "ok"
	}
	return append(told(err).([]string), message)
}

func event(topic, stream, expected, id, kind string) *kgo.Record {
	record := &kgo.Record{Topic: topic, Key: []byte(stream), Value: []byte(`{"n":1}`)}
	record.Headers = []kgo.RecordHeader{{Key: "ce_type", Value: []byte(kind)}}
	if expected != "" {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: "leat-expected-version", Value: []byte(expected)})
	}
	if id != "" {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: "ce_id", Value: []byte(id)})
	}
	return record
}

func appendEvent(client *kgo.Client, topic, stream, expected string) any {
	return told(client.ProduceSync(background(20), event(topic, stream, expected, "", "OrderPlaced")).FirstErr())
}

// eventClient has the partitioner that the library has by default.
func (s setting) eventClient(more ...kgo.Opt) *kgo.Client {
	return s.client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.RecordDeliveryTimeout(15 * time.Second)},
		more...)...)
}

func sum(admin *kadm.Client, topic string) (all int64) {
	got(admin.ListEndOffsets(background(10), topic)).Each(func(each kadm.ListedOffset) { all += each.Offset })
	return all
}

func eventsAppend(s setting, f facts) {
	admin, client := s.admin(), s.eventClient()
	defer admin.Close()
	defer client.Close()
	topic, stream := "es."+s.prefix+"one", s.prefix+"one-append"
	before := sum(admin, topic)
	for _, each := range [][2]string{{"no_stream", "no_stream"}, {"revision", "0"}, {"exists", "exists"}, {"any", "any"},
		{"no_stream again", "no_stream"}, {"wrong revision", "7"}, {"afterwards", "3"}} {
		f.fact(each[0], appendEvent(client, topic, stream, each[1]))
	}
	f.fact("exists, of none", appendEvent(client, topic, stream+"-none", "exists"))
	f.fact("count", sum(admin, topic)-before)
}

func eventsBatch(s setting, f facts) {
	admin, client := s.admin(), s.eventClient(kgo.ProducerLinger(2*time.Second))
	defer admin.Close()
	defer client.Close()
	topic, a := "es."+s.prefix+"one", s.prefix+"one-batch"
	before := sum(admin, topic)
	var all []any
	for _, each := range client.ProduceSync(background(20), event(topic, a, "no_stream", "", "OrderPlaced"),
		event(topic, a, "", "", "OrderPlaced"), event(topic, a+"-b", "9", "", "OrderPlaced"),
		event(topic, a+"-c", "exists", "", "OrderPlaced")) {
		all = append(all, told(each.Err))
	}
	f.fact("records", all)
	f.fact("count", sum(admin, topic)-before)
	f.fact("afterwards", appendEvent(client, topic, a, "no_stream"))
}

func eventsRefused(s setting, f facts) {
	admin, client := s.admin(), s.eventClient()
	defer admin.Close()
	defer client.Close()
	topic, stream := "es."+s.prefix, s.prefix+"-refused"
	f.fact("no expectation", appendEvent(client, topic, stream, ""))
	f.fact("bad expectation", appendEvent(client, topic, stream, "-1"))
	f.fact("other category", appendEvent(client, topic, "other-1", "any"))
	manual := s.client()
	defer manual.Close()
	var each []any
	for partition := int32(0); partition < 4; partition++ {
		record := event(topic, stream, "exists", "", "OrderPlaced")
		record.Partition = partition
		each = append(each, told(manual.ProduceSync(background(20), record).FirstErr()))
	}
	f.fact("partitions 0 to 3", each)
	f.fact("count", sum(admin, topic))
	f.fact("afterwards", appendEvent(client, topic, stream, "no_stream"))
}

func eventsIdempotent(s setting, f facts) {
	admin, client := s.admin(), s.eventClient()
	defer admin.Close()
	topic, stream := "es."+s.prefix+"one", s.prefix+"one-idempotent"
	before := sum(admin, topic)
	f.fact("first", appendEvent(client, topic, stream, "no_stream"))
	f.fact("refused", appendEvent(client, topic, stream, "no_stream"))
	for _, name := range []string{"next", "repeated"} {
		f.fact(name, told(client.ProduceSync(background(20), event(topic, stream, "0", "known", "OrderPlaced")).FirstErr()))
	}
	f.fact("after it", appendEvent(client, topic, stream, "1"))
	f.fact("count", sum(admin, topic)-before)
	client.Close()
	before = sum(admin, topic)
	client = s.eventClient(kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(512), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer client.Close()
	var records []*kgo.Record
	for number := 0; number < 10; number++ {
		expected := "no_stream"
		if number == 3 {
			expected = "5"
		}
		record := event(topic, fmt.Sprintf("%s-%d", stream, number), expected, "", "OrderPlaced")
		record.Value = bytes.Repeat([]byte(" "), 300) // one fills a batch
		records = append(records, record)
	}
	var all []any
	good := int64(0)
	for _, each := range client.ProduceSync(background(20), records...) {
		all = append(all, told(each.Err))
		if each.Err == nil {
			good++
		}
	}
	f.fact("ten in flight, the fourth refused", all)
	f.fact("stored is what was told", sum(admin, topic)-before == good)
}

func eventsRetry(s setting, f facts) {
	s = s.through()
	admin := s.admin()
	defer admin.Close()
	topic := "es." + s.prefix + "one"
	for number, each := range []struct {
		name, expected, id string
		idempotent         bool
	}{{"with id", "0", "e2", false}, {"without id", "0", "", false}, {"any without id", "any", "", false},
		{"idempotent, without id", "0", "", true}} {
		before, stream := sum(admin, topic), fmt.Sprintf("%sone-retry-%d", s.prefix, number)
		more := []kgo.Opt{kgo.ClientID(fmt.Sprintf("cut.0.2.%s-%d", s.prefix, number))}
		if !each.idempotent {
			more = append(more, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
		}
		client := s.eventClient(more...)
		must(client.ProduceSync(background(20), event(topic, stream, "no_stream", "", "OrderPlaced")).FirstErr())
		f.fact(each.name, told(client.ProduceSync(background(20),
			event(topic, stream, each.expected, each.id, "OrderPlaced")).FirstErr()))
		client.Close()
		f.fact(each.name+".count", sum(admin, topic)-before)
	}
}

func eventsPartitioner(s setting, f facts) {
	admin, client := s.admin(), s.eventClient()
	defer admin.Close()
	defer client.Close()
	topic := "es." + s.prefix
	before, good := sum(admin, topic), 0
	for number := 0; number < 20; number++ {
		if appendEvent(client, topic, fmt.Sprintf("%s-part-%d", s.prefix, number), "no_stream") == "ok" {
			good++
		}
	}
	f.fact("by default", good)
	f.fact("as advised", good)
	f.fact("count", sum(admin, topic)-before)
}

func eventsRead(s setting, f facts) {
	admin, client := s.admin(), s.eventClient()
	defer admin.Close()
	defer client.Close()
	topic, stream := "es."+s.prefix+"one", s.prefix+"one-read"
	begin := sum(admin, topic)
	for number, kind := range []string{"OrderPlaced", "OrderPaid", "OrderShipped"} {
		expected := "no_stream"
		if number > 0 {
			expected = fmt.Sprint(number - 1)
		}
		must(client.ProduceSync(background(20), event(topic, stream, expected, fmt.Sprintf("e%d", number), kind)).FirstErr())
	}
	var keys, ids, kinds, names []string
	var revisions []int
	for number, record := range s.readFrom(topic, kgo.NewOffset().At(begin), 3) {
		keys = append(keys, string(record.Key))
		for _, header := range record.Headers {
			switch header.Key {
			case "leat-revision":
				var revision int
				_, err := fmt.Sscan(string(header.Value), &revision)
				must(err)
				revisions = append(revisions, revision)
			case "ce_id":
				ids = append(ids, string(header.Value))
			case "ce_type":
				kinds = append(kinds, string(header.Value))
			}
			if number == 0 {
				names = append(names, header.Key)
			}
		}
	}
	f.fact("keys", keys)
	f.fact("revisions", revisions)
	f.fact("ids", ids)
	f.fact("types", kinds)
	f.fact("headers", names)
}

func eventsAdmin(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := "es." + s.prefix + "one"
	made, err := admin.CreateTopic(background(10), 1, 1, nil, "es."+s.prefix+"two")
	f.fact("create topic", toldWith(err, made.ErrMessage))
	deleted := got(admin.DeleteTopics(background(10), topic))[topic]
	f.fact("delete topic", toldWith(deleted.Err, deleted.ErrMessage))
	grown := got(admin.UpdatePartitions(background(10), 2, topic))[topic]
	f.fact("add partitions", toldWith(grown.Err, grown.ErrMessage))
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 1})
	f.fact("delete records", told(got(admin.DeleteRecords(background(10), offsets))[topic][0].Err))
	for _, each := range [][2]string{{"retention.ms", "1000"}, {"retention.bytes", "1000000"}, {"cleanup.policy", "compact"},
		{"leat.durability", "os"}, {"max.message.bytes", "2000000"}} {
		value := each[1]
		done := got(admin.AlterTopicConfigs(background(10), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: each[0], Value: &value}}, topic))
		f.fact(each[0], toldWith(done[0].Err, done[0].ErrMessage))
	}
	f.fact("topic is there", got(admin.ListTopics(background(10), topic))[topic].Err == nil)
}
