// Where a reader may begin, what it remembers, and the members of groups.
package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var consuming = map[string]scenario{
	"consume-positions": positions,
	"list-offsets":      listOffsets,
	"commit-seek":       commitSeek,
	"read-committed":    readCommitted,
}

var groups = map[string]scenario{
	"group-join-leave":     joinLeave,
	"group-member-dies":    memberDies,
	"group-static-members": staticMembers,
}

const base = 1_600_000_000_000

// timed makes 100 records, one second apart, in ten batches.
func (s setting) timed(admin *kadm.Client, name string) string {
	topic := s.topic(admin, name, 1, map[string]string{"retention.ms": "-1"})
	client := s.client()
	defer client.Close()
	for from := 0; from < 100; from += 10 {
		records := samples(topic, 0, from, 10)
		for i, record := range records {
			record.Timestamp = time.UnixMilli(base + int64(from+i)*1000)
		}
		must(client.ProduceSync(background(20), records...).FirstErr())
	}
	return topic
}

func positions(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.timed(admin, "positions")
	records := s.readFrom(topic, kgo.NewOffset().AtStart(), 100)
	f.fact("earliest", []any{records[0].Offset, len(records), digest(records), records[0].LeaderEpoch})
	late := s.client(at(topic, kgo.NewOffset().AtEnd()))
	first, _ := read(late, 1, 2)
	f.fact("nothing at the end", len(first))
	s.produce(topic, 0, 100, 1)
	records, err := read(late, 1, 20)
	must(err)
	f.fact("after latest", records[0].Offset)
	late.Close()
	for name, offset := range map[string]kgo.Offset{
		"offset 37":            kgo.NewOffset().At(37),
		"offset 41 with epoch": kgo.NewOffset().At(41).WithEpoch(0),
		"the last ten":         kgo.NewOffset().AtEnd().Relative(-10),
		"time exact":           kgo.NewOffset().AfterMilli(base + 50000),
		"time between":         kgo.NewOffset().AfterMilli(base + 50001),
		"time before all":      kgo.NewOffset().AfterMilli(1),
	} {
		f.fact(name, s.readFrom(topic, offset, 1)[0].Offset)
	}
	f.fact("behind the end, reset earliest", s.readFrom(topic, kgo.NewOffset().At(1000), 1,
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))[0].Offset)
	strict := s.client(at(topic, kgo.NewOffset().At(1000)), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	_, err = read(strict, 1, 10)
	f.outcome("behind the end, no reset", err)
	strict.Close()
	f.fact("tiny fetch limits", len(s.readFrom(topic, kgo.NewOffset().At(5), 96, kgo.FetchMaxBytes(10),
		kgo.FetchMaxPartitionBytes(10))))
}

func listOffsets(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	full, empty := s.timed(admin, "list-offsets"), s.topic(admin, "list-offsets-empty", 1, nil)
	for _, topic := range []string{full, empty} {
		suffix := strings.TrimPrefix(topic, s.prefix)
		show := func(name string, listed kadm.ListedOffsets, err error) {
			if err != nil {
				f.outcome(name+suffix, err)
				return
			}
			one := listed[topic][0]
			when := one.Timestamp
			if when > 0 {
				when -= base
			}
			f.fact(name+suffix, []any{one.Offset, when, one.LeaderEpoch, errorName(one.Err)})
		}
		ask := func(name string, call func() (kadm.ListedOffsets, error)) {
			listed, err := call()
			show(name, listed, err)
		}
		ctx := background(20)
		ask("start", func() (kadm.ListedOffsets, error) { return admin.ListStartOffsets(ctx, topic) })
		ask("end", func() (kadm.ListedOffsets, error) { return admin.ListEndOffsets(ctx, topic) })
		ask("committed", func() (kadm.ListedOffsets, error) { return admin.ListCommittedOffsets(ctx, topic) })
		ask("largest timestamp", func() (kadm.ListedOffsets, error) { return admin.ListMaxTimestampOffsets(ctx, topic) })
		ask("local start", func() (kadm.ListedOffsets, error) { return admin.ListLocalLogStartOffsets(ctx, topic) })
		ask("latest remote", func() (kadm.ListedOffsets, error) { return admin.ListLatestRemoteOffsets(ctx, topic) })
		ask("time exact", func() (kadm.ListedOffsets, error) { return admin.ListOffsetsAfterMilli(ctx, base+73000, topic) })
		ask("time after all", func() (kadm.ListedOffsets, error) { return admin.ListOffsetsAfterMilli(ctx, base*2, topic) })
	}
	var asked kadm.OffsetForLeaderEpochRequest
	asked.Add(full, 0, 0)
	epochs := got(admin.OffsetForLeaderEpoch(background(10), asked))
	f.fact("end of epoch 0", []any{epochs[full][0].LeaderEpoch, epochs[full][0].EndOffset, errorName(epochs[full][0].Err)})
}

func commitSeek(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "commit", 2, nil)
	group := s.prefix + "-commit"
	s.produce(topic, 0, 0, 20)
	tell := func(name string) {
		all := got(admin.FetchOffsets(background(10), group))
		one, found := all.Lookup(topic, 0)
		f.fact(name, []any{found, one.At, one.Metadata, one.LeaderEpoch})
	}
	commit := func(partition int32, offset int64, metadata, where string) error {
		var all kadm.Offsets
		all.Add(kadm.Offset{Topic: where, Partition: partition, At: offset, LeaderEpoch: 0, Metadata: metadata})
		return admin.CommitAllOffsets(background(10), group, all)
	}
	tell("nothing committed")
	f.outcome("commit", commit(0, 5, "a note", topic))
	tell("committed")
	f.outcome("metadata too large", commit(0, 6, strings.Repeat("m", 5000), topic))
	tell("still committed")
	f.outcome("unknown topic", commit(0, 1, "", s.prefix+"-nowhere"))
	client := s.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	records, err := read(client, 1, 20)
	must(err)
	f.fact("resumed at", records[0].Offset)
	client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 2}}})
	records, err = read(client, 1, 20)
	must(err)
	f.fact("after seek", records[0].Offset)
	f.outcome("commit of a stranger", commit(0, 3, "", topic))
	must(client.CommitRecords(background(10), records...))
	client.Close()
	// Its metadata is the member id, which is random.
	committed, _ := got(admin.FetchOffsets(background(10), group)).Lookup(topic, 0)
	f.fact("committed by the member", committed.At)
	f.outcome("behind the end", commit(0, 1000, "", topic))
	tell("committed behind the end")
}

func readCommitted(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "read-committed", 1, nil)
	s.produce(topic, 0, 0, 50)
	for name, level := range map[string]kgo.IsolationLevel{"committed": kgo.ReadCommitted(), "uncommitted": kgo.ReadUncommitted()} {
		f.fact(name, digest(s.readFrom(topic, kgo.NewOffset().AtStart(), 50, kgo.FetchIsolationLevel(level))))
	}
}

// member is a member of a group which remembers what it was given and what it read.
type member struct {
	client     *kgo.Client
	lock       sync.Mutex
	partitions map[int32]bool
	seen       map[string]bool
	count      int
	changes    int
	failure    error
	done       chan struct{}
}

func (s setting) join(group, topic string, more ...kgo.Opt) *member {
	m := &member{partitions: map[int32]bool{}, seen: map[string]bool{}, done: make(chan struct{})}
	change := func(set bool) func(map[string][]int32) {
		return func(parts map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			for _, part := range parts[topic] {
				m.changes++
				if set {
					m.partitions[part] = true
				} else {
					delete(m.partitions, part)
				}
			}
		}
	}
	added, gone := change(true), change(false)
	options := append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.SessionTimeout(6 * time.Second), kgo.FetchMaxWait(200 * time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { added(parts) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { gone(parts) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { gone(parts) })}, more...)
	m.client = s.client(options...)
	go m.work()
	return m
}

func (m *member) work() {
	defer close(m.done)
	for {
		fetches := m.client.PollFetches(background(3600))
		if fetches.IsClientClosed() {
			return
		}
		m.lock.Lock()
		for _, each := range fetches.Errors() {
			m.failure = each.Err
		}
		records := fetches.Records()
		for _, record := range records {
			m.count++
			m.seen[fmt.Sprintf("%d/%d", record.Partition, record.Offset)] = true
		}
		m.lock.Unlock()
		if len(records) > 0 {
			if err := m.client.CommitRecords(background(10), records...); err != nil {
				m.lock.Lock()
				m.failure = err
				m.lock.Unlock()
			}
		}
		m.client.AllowRebalance()
	}
}

func (m *member) size() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.partitions)
}

func (m *member) read() (int, int) {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.count, m.changes
}

func (m *member) failed() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.failure
}

func (m *member) close() {
	m.client.CloseAllowingRebalance()
	<-m.done
}

func (m *member) list() []int {
	m.lock.Lock()
	defer m.lock.Unlock()
	var all []int
	for part := range m.partitions {
		all = append(all, int(part))
	}
	sort.Ints(all)
	return all
}

func waitSizes(a *member, count int, b *member, other int) {
	waitFor(fmt.Sprintf("assignments of %d and %d", count, other), 40, func() bool {
		return a.size() == count && (b == nil || b.size() == other)
	})
}

func joinLeave(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	for name, balancer := range map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(),
		"sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer()} {
		topic := s.topic(admin, "join-"+name, 6, nil)
		group := s.prefix + "-join-" + name
		a := s.join(group, topic, kgo.Balancers(balancer))
		waitSizes(a, 6, nil, 0)
		b := s.join(group, topic, kgo.Balancers(balancer))
		waitSizes(a, 3, b, 3)
		f.fact(name+".two share", []int{a.size(), b.size(), len(a.list()) + len(b.list())})
		for partition := int32(0); partition < 6; partition++ {
			s.produce(topic, partition, 0, 10)
		}
		both := func() int {
			one, _ := a.read()
			two, _ := b.read()
			return one + two
		}
		waitFor("all records", 20, func() bool { return both() >= 60 })
		one, _ := a.read()
		f.fact(name+".each read half", []int{one, both() - one})
		known := got(admin.DescribeGroups(background(10), group))[group]
		f.fact(name+".described", []any{known.State, known.Protocol, known.ProtocolType, len(known.Members), errorName(known.Err)})
		b.close()
		waitSizes(a, 6, nil, 0)
		s.produce(topic, 3, 10, 5)
		waitFor("the rest", 20, func() bool { return both() >= 65 })
		f.fact(name+".nothing twice", both())
		a.close()
		f.fact(name+".failures", []string{errorName(a.failed()), errorName(b.failed())})
		known = got(admin.DescribeGroups(background(10), group))[group]
		f.fact(name+".afterwards", []any{known.State, len(known.Members)})
	}
}

func memberDies(s setting, f facts) {
	s = s.through()
	admin := s.admin()
	defer admin.Close()
	topic, group := s.topic(admin, "dies", 6, nil), s.prefix+"-dies"
	a := s.join(group, topic)
	waitSizes(a, 6, nil, 0)
	b := s.join(group, topic, kgo.ClientID("die.12.8."+s.prefix))
	waitSizes(a, 3, b, 3)
	f.fact("two share", []int{a.size(), b.size()})
	waitSizes(a, 6, nil, 0)
	f.fact("one is left", a.size())
	f.fact("members", len(got(admin.DescribeGroups(background(10), group))[group].Members))
	a.close()
	f.outcome("failure", a.failed())
}

func staticMembers(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic, group := s.topic(admin, "static", 6, nil), s.prefix+"-static"
	long := kgo.SessionTimeout(20 * time.Second)
	a := s.join(group, topic, kgo.InstanceID("one"), long)
	waitSizes(a, 6, nil, 0)
	b := s.join(group, topic, kgo.InstanceID("two"), long)
	waitSizes(a, 3, b, 3)
	before := b.list()
	_, changes := a.read()
	b.close()
	again := s.join(group, topic, kgo.InstanceID("two"), long)
	waitSizes(a, 3, again, 3)
	_, after := a.read()
	f.fact("same partitions", fmt.Sprint(before) == fmt.Sprint(again.list()))
	f.fact("no rebalance", after == changes)
	twin := s.join(group, topic, kgo.InstanceID("two"), long)
	waitFor("the fence", 20, func() bool { return again.failed() != nil })
	f.outcome("the double", again.failed())
	waitSizes(a, 3, twin, 3)
	f.fact("the newer one stays", twin.size())
	twin.close()
	again.close()
	left := got(admin.LeaveGroup(background(10), kadm.LeaveGroup(group).InstanceIDs("two", "three")))
	for _, name := range []string{"two", "three"} {
		f.outcome("remove "+name, left[name].Err)
	}
	waitSizes(a, 6, nil, 0)
	f.fact("after removal", a.size())
	a.close()
}
