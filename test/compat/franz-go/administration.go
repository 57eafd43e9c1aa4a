// Administration of topics, configuration and groups.
package main

import (
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var administration = map[string]scenario{
	"topic-admin":      topicAdmin,
	"config-admin":     configAdmin,
	"delete-records":   deleteRecords,
	"describe-cluster": describeCluster,
	"group-admin":      groupAdmin,
}

func topicAdmin(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic, fresh := s.prefix+"-topic", s.prefix+"-refused"
	create := func(label, name string, partitions int32, replicas int16, config ...string) kadm.CreateTopicResponse {
		values := map[string]*string{}
		for i := 0; i < len(config); i += 2 {
			values[config[i]] = &config[i+1]
		}
		made, err := admin.CreateTopic(background(10), partitions, replicas, values, name)
		f.outcome("create."+label, err)
		return made
	}
	made := create("new", topic, 3, 1, "retention.ms", "3600000")
	told := made.Configs["retention.ms"]
	f.fact("create tells", []any{made.NumPartitions, made.ReplicationFactor, told.MaybeValue()})
	made = create("defaults", s.prefix+"-standard", -1, -1)
	f.fact("defaults", []any{made.NumPartitions, made.ReplicationFactor})
	create("exists", topic, 3, 1)
	create("bad name", "a/b", 1, 1)
	create("name ..", "..", 1, 1)
	create("empty name", "", 1, 1)
	create("name of 250", strings.Repeat("n", 250), 1, 1)
	create("no partitions", fresh, 0, 1)
	create("three replicas", fresh, 1, 3)
	create("no replica", fresh, 1, 0)
	create("unknown config", fresh, 1, 1, "no.such", "1")
	create("bad value", fresh, 1, 1, "retention.ms", "soon")
	valid := got(admin.ValidateCreateTopics(background(10), 1, 1, nil, fresh))
	f.outcome("create.validate only", valid[fresh].Err)
	listed := got(admin.ListTopics(background(10), fresh, topic))
	f.outcome("create.not made", listed[fresh].Err)
	f.fact("describe", []any{len(listed[topic].Partitions), listed[topic].IsInternal,
		len(listed[topic].Partitions[0].Replicas), len(listed[topic].Partitions[0].ISR)})
	grow := func(label, name string, count int) {
		all := got(admin.UpdatePartitions(background(10), count, name))
		f.outcome("partitions."+label, all[name].Err)
	}
	f.outcome("partitions.validate only", got(admin.ValidateUpdatePartitions(background(10), 9, topic))[topic].Err)
	grow("to 5", topic, 5)
	grow("to 5 again", topic, 5)
	grow("to 4", topic, 4)
	waitFor("five partitions", 10, func() bool {
		return len(got(admin.ListTopics(background(10), topic))[topic].Partitions) == 5
	})
	s.produce(topic, 4, 0, 3)
	f.fact("partitions.new one holds", end(admin, topic, 4))
	for _, label := range []string{"delete", "delete again"} {
		_, err := admin.DeleteTopic(background(10), topic)
		f.outcome(label, err)
	}
	again := create("again", topic, 1, 1)
	f.fact("a new id", again.ID != listed[topic].ID)
}

// settle waits: Kafka answers when its controller has an alteration; its broker shows it a moment later.
func settle(err error) {
	if err == nil {
		time.Sleep(400 * time.Millisecond)
	}
}

func configAdmin(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "config", 1, map[string]string{"retention.ms": "7200000"})
	show := func(label string, all kadm.ResourceConfigs, err error, keys ...string) {
		must(err)
		for _, entry := range all[0].Configs {
			for _, key := range keys {
				if entry.Key == key {
					var synonyms [][]string
					for _, each := range entry.Synonyms {
						value := ""
						if each.Value != nil {
							value = *each.Value
						}
						synonyms = append(synonyms, []string{each.Key, value, each.Source.String()})
					}
					f.fact(label+" "+key, []any{entry.MaybeValue(), entry.Source.String(), entry.Sensitive, synonyms})
				}
			}
		}
	}
	describe := func(label string, keys ...string) {
		all, err := admin.DescribeTopicConfigs(background(10), topic)
		show(label, all, err, keys...)
	}
	describe("topic", "cleanup.policy", "compression.type", "max.message.bytes", "message.timestamp.type", "retention.bytes",
		"retention.ms", "segment.bytes", "segment.ms")
	alter := func(label, name, key, value string, op kadm.IncrementalOp) {
		all := got(admin.AlterTopicConfigs(background(10), []kadm.AlterConfig{{Op: op, Name: key, Value: &value}}, name))
		f.outcome("alter."+label, all[0].Err)
		settle(all[0].Err)
	}
	alter("set", topic, "max.message.bytes", "2000000", kadm.SetConfig)
	describe("set", "max.message.bytes", "retention.ms")
	alter("delete", topic, "max.message.bytes", "", kadm.DeleteConfig)
	describe("delete", "max.message.bytes", "retention.ms")
	alter("append", topic, "cleanup.policy", "delete", kadm.AppendConfig)
	describe("append", "cleanup.policy")
	alter("append to no list", topic, "retention.ms", "1", kadm.AppendConfig)
	alter("subtract from no list", topic, "retention.ms", "1", kadm.SubtractConfig)
	alter("unknown key", topic, "no.such.key", "1", kadm.SetConfig)
	alter("bad value", topic, "retention.ms", "later", kadm.SetConfig)
	alter("unknown topic", s.prefix+"-none", "retention.ms", "1", kadm.SetConfig)
	value := "1000000"
	state := []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}
	f.outcome("alter.validate the old way", got(admin.ValidateAlterTopicConfigsState(background(10), state, topic))[0].Err)
	f.outcome("alter.the old way", got(admin.AlterTopicConfigsState(background(10), state, topic))[0].Err)
	settle(nil)
	describe("old way", "cleanup.policy", "retention.ms")
	node := got(admin.ListBrokers(background(10)))[0].NodeID
	all, err := admin.DescribeBrokerConfigs(background(10), node)
	show("broker", all, err, "auto.create.topics.enable", "message.max.bytes", "num.partitions", "log.retention.hours")
}

func deleteRecords(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "delete-records", 1, nil)
	s.produce(topic, 0, 0, 100)
	drop := func(label string, offset int64) {
		var all kadm.Offsets
		all.Add(kadm.Offset{Topic: topic, Partition: 0, At: offset})
		one := got(admin.DeleteRecords(background(10), all))[topic][0]
		f.fact(label, []any{one.LowWatermark, errorName(one.Err)})
	}
	drop("low watermark", 40)
	f.fact("before the start, reset earliest", s.readFrom(topic, kgo.NewOffset().At(3), 60,
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))[0].Offset)
	drop("backwards", 10)
	drop("behind the end", 101)
	drop("all", -1)
	s.produce(topic, 0, 0, 1)
	f.fact("next offset", end(admin, topic, 0))
}

func describeCluster(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic := s.topic(admin, "described", 2, nil)
	s.produce(topic, 1, 0, 50)
	known := got(admin.Metadata(background(10), topic))
	f.fact("nodes", len(known.Brokers))
	f.fact("controller is a node", known.Controller == known.Brokers[0].NodeID)
	f.fact("has an id", known.Cluster != "")
	var set kadm.TopicsSet
	set.Add(topic, 0, 1)
	for _, dirs := range got(admin.DescribeAllLogDirs(background(10), set)) {
		f.fact("log dirs", len(dirs))
		for _, dir := range dirs {
			one, found := dir.Topics.Lookup(topic, 1)
			f.fact("log dir", []any{errorName(dir.Err), found, one.Size > 0, dir.TotalBytes > 0, dir.UsableBytes > 0,
				one.OffsetLag, one.IsFuture})
		}
	}
	client := s.client()
	defer client.Close()
	for _, record := range samples(topic, 0, 0, 7) {
		must(client.ProduceSync(background(10), record).FirstErr())
	}
	set = kadm.TopicsSet{}
	set.Add(topic, 0)
	described := got(admin.DescribeProducers(background(10), set))[topic].Partitions[0]
	f.fact("producers", []any{len(described.ActiveProducers), errorName(described.Err)})
	for _, one := range described.ActiveProducers {
		f.fact("producer", []any{one.ProducerEpoch, one.LastSequence, one.CoordinatorEpoch, one.CurrentTxnStartOffset})
	}
	elected := got(admin.ElectLeaders(background(10), kadm.ElectPreferredReplica, set))
	f.outcome("preferred election", elected[topic][0].Err)
	versions := got(admin.ApiVersions(background(10)))
	for _, each := range versions {
		// Which features are final is how a client learns of transactions v2 and the new groups.
		f.fact("api versions", errorName(each.Err))
	}
}

func groupAdmin(s setting, f facts) {
	admin := s.admin()
	defer admin.Close()
	topic, group := s.topic(admin, "groups", 2, nil), s.prefix+"-group"
	s.produce(topic, 0, 0, 10)
	listed := func(label string, states ...string) {
		one, found := got(admin.ListGroups(background(10), states...))[group]
		f.fact(label, []any{found, one.State, one.ProtocolType})
	}
	remove := func(label, name string) {
		_, err := admin.DeleteGroup(background(10), name)
		f.outcome(label, err)
	}
	commit := func(label string, offset int64) {
		var all kadm.Offsets
		all.Add(kadm.Offset{Topic: topic, Partition: 0, At: offset, Metadata: "by hand", LeaderEpoch: -1})
		f.outcome(label, admin.CommitAllOffsets(background(10), group, all))
	}
	forget := func(label string) {
		var set kadm.TopicsSet
		set.Add(topic, 0)
		all, err := admin.DeleteOffsets(background(10), group, set)
		if err == nil {
			err = all[topic][0]
		}
		f.outcome(label, err)
	}
	unknown := got(admin.DescribeGroups(background(10), group+"-none"))[group+"-none"]
	f.fact("describe unknown", []any{unknown.State, errorName(unknown.Err)})
	remove("delete unknown", group+"-none")
	client := s.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.ClientID("reader"), kgo.Balancers(kgo.RangeBalancer()))
	_, err := read(client, 10, 20)
	must(err)
	must(client.CommitUncommittedOffsets(background(10)))
	known := got(admin.DescribeGroups(background(10), group))[group]
	member := known.Members[0]
	f.fact("stable", []any{known.State, known.Protocol, known.ProtocolType, len(known.Members), member.ClientID,
		strings.HasPrefix(member.MemberID, "reader-")})
	listed("listed")
	listed("listed stable", "Stable")
	listed("listed as empty", "Empty")
	remove("delete while in use", group)
	commit("alter offsets while in use", 1)
	forget("delete offsets while in use")
	client.Close()
	listed("listed empty", "Empty")
	commit("alter offsets", 4)
	one, _ := got(admin.FetchOffsets(background(10), group)).Lookup(topic, 0)
	f.fact("offsets", []any{one.At, one.Metadata, one.LeaderEpoch})
	forget("delete offsets")
	remove("delete", group)
	listed("listed afterwards")
}
