// Runs the compatibility scenarios with franz-go.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// setting says where the brokers are and what to call things.
type setting struct {
	bootstrap, cut, prefix string
	gate                   bool
}

// facts prints the outcome of one scenario as JSON lines.
type facts struct{ scenario string }

var output sync.Mutex

func (f facts) say(more map[string]any) {
	more["s"] = f.scenario
	line, err := json.Marshal(more)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

func (f facts) fact(name string, value any) { f.say(map[string]any{"fact": name, "value": value}) }
func (f facts) outcome(name string, err error) {
	f.fact(name, errorName(err))
}

// errorName is the protocol's name of an error, or "ok".
func errorName(err error) string {
	if err == nil {
		return "ok"
	}
	fmt.Fprintln(os.Stderr, err)
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return err.Error()
}

// must ends the scenario: main catches it.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func got[T any](value T, err error) T {
	must(err)
	return value
}

func background(seconds int) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	_ = time.AfterFunc(time.Duration(seconds+1)*time.Second, cancel)
	return ctx
}

func (s setting) client(more ...kgo.Opt) *kgo.Client {
	options := append([]kgo.Opt{kgo.SeedBrokers(s.bootstrap), kgo.ClientID(s.prefix),
		kgo.RecordPartitioner(kgo.ManualPartitioner())}, more...)
	return got(kgo.NewClient(options...))
}

func (s setting) through() setting {
	s.bootstrap = s.cut
	return s
}

func (s setting) admin() *kadm.Client {
	return kadm.NewClient(s.client())
}

func (s setting) topic(admin *kadm.Client, name string, partitions int32, config map[string]string) string {
	full := s.prefix + "-" + name
	values := map[string]*string{}
	for key, value := range config {
		values[key] = &value
	}
	made := got(admin.CreateTopic(background(30), partitions, 1, values, full))
	must(made.Err)
	waitFor("topic "+full, 30, func() bool {
		known, err := admin.ListTopics(background(10), full)
		return err == nil && known[full].Err == nil && len(known[full].Partitions) == int(partitions)
	})
	return full
}

func waitFor(what string, seconds int, test func() bool) {
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for !test() {
		if time.Now().After(end) {
			panic(fmt.Errorf("waited %d s in vain for: %s", seconds, what))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func sample(topic string, partition int32, number int) *kgo.Record {
	record := &kgo.Record{Topic: topic, Partition: partition}
	if number%5 != 0 {
		record.Key = []byte(fmt.Sprintf("k%d", number))
	}
	if number%7 != 6 {
		record.Value = []byte(fmt.Sprintf("v%d-%s", number, strings.Repeat("x", 100)))
	}
	record.Headers = []kgo.RecordHeader{{Key: "number", Value: []byte(fmt.Sprint(number))}, {Key: "empty"}}
	return record
}

func samples(topic string, partition int32, from, count int) []*kgo.Record {
	var all []*kgo.Record
	for number := from; number < from+count; number++ {
		all = append(all, sample(topic, partition, number))
	}
	return all
}

func (s setting) produce(topic string, partition int32, from, count int) {
	client := s.client()
	defer client.Close()
	must(client.ProduceSync(background(30), samples(topic, partition, from, count)...).FirstErr())
}

// read returns up to `count` records, or fewer when `seconds` are over; and the first error met.
func read(client *kgo.Client, count, seconds int) ([]*kgo.Record, error) {
	var all []*kgo.Record
	ctx := background(seconds)
	for len(all) < count && ctx.Err() == nil {
		fetches := client.PollRecords(ctx, count-len(all))
		for _, each := range fetches.Errors() {
			if !errors.Is(each.Err, context.DeadlineExceeded) {
				return all, each.Err
			}
		}
		all = append(all, fetches.Records()...)
	}
	return all, nil
}

func at(topic string, offset kgo.Offset) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: offset}})
}

func (s setting) readFrom(topic string, offset kgo.Offset, count int, more ...kgo.Opt) []*kgo.Record {
	client := s.client(append(more, at(topic, offset), kgo.FetchMaxWait(500*time.Millisecond))...)
	defer client.Close()
	records, err := read(client, count, 20)
	must(err)
	return records
}

func text(data []byte) string {
	if data == nil {
		return "~"
	}
	return string(data)
}

func digest(records []*kgo.Record) string {
	sha := sha256.New()
	for _, record := range records {
		fmt.Fprintf(sha, "%d|%s|%s", record.Offset, text(record.Key), text(record.Value))
		for _, header := range record.Headers {
			fmt.Fprintf(sha, "|%s=%s", header.Key, text(header.Value))
		}
		fmt.Fprintln(sha)
	}
	return hex.EncodeToString(sha.Sum(nil))[:16]
}

func end(admin *kadm.Client, topic string, partition int32) int64 {
	return got(admin.ListEndOffsets(background(10), topic))[topic][partition].Offset
}

type scenario func(setting, facts)

func run(s setting, name string, all map[string]scenario) {
	f := facts{name}
	f.say(map[string]any{"start": true})
	defer f.say(map[string]any{"done": true})
	defer func() {
		if problem := recover(); problem != nil {
			f.say(map[string]any{"error": fmt.Sprint(problem)})
		}
	}()
	all[name](s, f)
}

func main() {
	var s setting
	var names []string
	for i := 1; i < len(os.Args); i++ {
		switch os.Args[i] {
		case "--bootstrap":
			i++
			s.bootstrap = os.Args[i]
		case "--cut":
			i++
			s.cut = os.Args[i]
		case "--prefix":
			i++
			s.prefix = os.Args[i]
		case "--scale":
			i++
			s.gate = os.Args[i] == "gate"
		default:
			names = append(names, os.Args[i])
		}
	}
	all := map[string]scenario{}
	for _, part := range []map[string]scenario{producing, consuming, groups, administration, eventStore} {
		for name, each := range part {
			all[name] = each
		}
	}
	for _, name := range names {
		run(s, name, all)
	}
}
