/*
 * The table of commands: names, words, options and every sentence that help, manual pages and
 * completion tell about them.
 */
#include "cli/cli.h"

#include <string.h>

const struct option OPTION_HELP = {OPT_HELP, 'h', "--help", NULL, "tell about this command", false};
const struct option OPTION_OUTPUT = {
    OPT_OUTPUT, 'o', "--output", "FORMAT", "text (for people) or json", false};
const struct option OPTION_BOOTSTRAP = {
    OPT_BOOTSTRAP,
    'b',
    "--bootstrap",
    "HOST:PORT[,...]",
    "the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1:9092",
    false};
const struct option OPTION_HTTP = {
    OPT_HTTP, 0, "--http", "HOST:PORT", "leat's HTTP address; else LEAT_HTTP, else 127.0.0.1:8080",
    false};
const struct option OPTION_TIMEOUT = {
    OPT_TIMEOUT, 0, "--timeout", "SECONDS", "how long to wait for an answer (10)", false};

#define PARTITION                                                            \
    {                                                                        \
        OPT_PARTITION, 'p', "--partition", "N", "only this partition", false \
    }
#define PROPERTY                                                                     \
    {                                                                                \
        OPT_PROPERTY, 0, "--property", "NAME=VALUE", "a setting of librdkafka", true \
    }
#define CODEC                                                                               \
    {                                                                                       \
        OPT_CODEC, 'z', "--codec", "CODEC", "none, gzip, snappy, lz4 or zstd (none)", false \
    }
#define ACKS                                                      \
    {                                                             \
        OPT_ACKS, 0, "--acks", "ACKS", "all, 1 or 0 (all)", false \
    }
#define DRY_RUN                                                                \
    {                                                                          \
        OPT_DRY_RUN, 0, "--dry-run", NULL, "only say what would happen", false \
    }
#define COUNT                                                            \
    {                                                                    \
        OPT_COUNT_OF, 'n', "--count", "N", "stop after N records", false \
    }

static const struct option SERVE[] = {
    {OPT_OTHER, 0, "--data", "DIR", "where everything is kept (data)", false},
    {OPT_OTHER, 0, "--kafka", "HOST:PORT", "the Kafka listener (127.0.0.1:9092); port 0: any",
     false},
    {OPT_OTHER, 0, "--http", "HOST:PORT",
     "the HTTP API, health and metrics (127.0.0.1:8080); port 0: any", false},
    {OPT_OTHER, 0, "--advertise", "HOST:PORT",
     "what clients are told to connect to (the address they connected on)", false},
    {OPT_OTHER, 0, "--config", "FILE", "options in YAML, see leat.conf(5)", false},
    {OPT_OTHER, 0, "--set", "KEY=VALUE", "one option", true},
    {OPT_OTHER, 0, "--insecure-allow-anonymous", NULL,
     "listen beyond loopback although nobody is authenticated", false},
};
static const struct option TOPIC_LS[] = {
    {OPT_ALL, 'a', "--all", NULL, "internal topics too", false},
};
static const struct option TOPIC_CREATE[] = {
    {OPT_PARTITIONS, 'p', "--partitions", "N", "how many (the broker's default)", false},
    {OPT_REPLICATION, 0, "--replication", "N", "copies of each (the broker's default)", false},
    {OPT_SET, 0, "--set", "KEY=VALUE", "a configuration of the topic", true},
    {OPT_IF_NOT_EXISTS, 0, "--if-not-exists", NULL, "it is fine if it exists already", false},
    DRY_RUN,
};
static const struct option TOPIC_DELETE[] = {
    {OPT_IF_EXISTS, 0, "--if-exists", NULL, "it is fine if it does not exist", false},
};
static const struct option TOPIC_CONFIG[] = {
    {OPT_SET, 0, "--set", "KEY=VALUE", "change one key; all others stay as they are", true},
    {OPT_UNSET, 0, "--unset", "KEY", "back to the default", true},
    DRY_RUN,
};
static const struct option TOPIC_TAIL[] = {
    {OPT_FROM, 0, "--from", "WHERE", "end, start, 42, -10 (ten before the end), a time (end)",
     false},
    PARTITION,
    COUNT,
    PROPERTY,
};
static const struct option PRODUCE[] = {
    {OPT_KEY, 'k', "--key", "KEY", "the key of every record (none)", false},
    {OPT_SEPARATOR, 'K', "--separator", "TEXT", "splits each line into key and value", false},
    {OPT_HEADER, 'H', "--header", "NAME=VALUE", "a header of every record", true},
    {OPT_PARTITION, 'p', "--partition", "N", "into this partition (by key)", false},
    CODEC,
    ACKS,
    PROPERTY,
};
static const struct option CONSUME[] = {
    {OPT_FROM, 0, "--from", "WHERE", "start, end, 42, -10 (ten before the end), a time (start)",
     false},
    PARTITION,
    {OPT_GROUP, 'g', "--group", "GROUP", "as a member of this group, and commit", false},
    COUNT,
    {OPT_FOLLOW, 'f', "--follow", NULL, "go on when the end is reached", false},
    PROPERTY,
};
static const struct option GROUP_SEEK[] = {
    {OPT_TOPIC, 't', "--topic", "TOPIC", "of this topic (needed)", false},
    {OPT_TO, 0, "--to", "WHERE", "start, end, 42, -10 (ten before the end), a time (needed)",
     false},
    PARTITION,
    DRY_RUN,
};
#define AT                                                                              \
    {                                                                                   \
        OPT_AT, 0, "--at", "WHEN", "as it was at a time, or at a revision (now)", false \
    }
#define FOLD                                                                                 \
    {                                                                                        \
        OPT_FOLD, 0, "--fold", "NAME", "this declared fold (the one of the category)", false \
    }
#define EXPECTED                                                                             \
    {                                                                                        \
        OPT_EXPECTED, 'e', "--expected", "WHAT",                                             \
            "only if the stream is at this revision; or no_stream, exists, any (any)", false \
    }
static const struct option STREAM_LS[] = {
    {OPT_PREFIX, 0, "--prefix", "TEXT", "names that begin with this", false},
    {OPT_LIMIT, 'n', "--limit", "N", "at most so many (1000)", false},
};
static const struct option STREAM_SHOW[] = {
    AT,
    {OPT_FROM, 0, "--from", "REVISION", "begin at this revision (0)", false},
    {OPT_LIMIT, 'n', "--limit", "N", "at most so many events (1000)", false},
    FOLD,
};
static const struct option STREAM_DIFF[] = {
    {OPT_FROM, 0, "--from", "WHEN", "a time or a revision (needed)", false},
    {OPT_TO, 0, "--to", "WHEN", "a time or a revision (now)", false},
    FOLD,
};
static const struct option STREAM_APPEND[] = {
    EXPECTED,
    {OPT_ID, 0, "--id", "ID", "the event's id (the server makes one)", false},
    {OPT_TAG, 't', "--tag", "TAG", "a tag, as order:42", true},
    {OPT_META, 0, "--meta", "JSON", "an object kept beside the data", false},
};
static const struct option STREAM_SNAPSHOT[] = {
    {OPT_SCHEMA, 0, "--schema", "TAG",
     "whose slot: the schema of the state (that of --fold, else default)", false},
    AT,
    FOLD,
};
static const struct option STREAM_TRUNCATE[] = {
    {OPT_BEFORE, 0, "--before", "REVISION", "the first revision that stays (needed)", false},
    DRY_RUN,
};
static const struct option STREAM_DELETE[] = {
    {OPT_HARD, 0, "--hard", NULL, "for ever: nobody can append to it again", false},
    EXPECTED,
    DRY_RUN,
};
static const struct option STREAM_REDACT[] = {
    {OPT_REASON, 0, "--reason", "TEXT", "why, for the record (needed)", false},
    {OPT_FIELD, 0, "--field", "POINTER", "only this part of the data, as /email (all of it)", true},
    DRY_RUN,
};
static const struct option AGAINST_LOG[] = {
    {OPT_AGAINST_LOG, 0, "--against-log", NULL, "try it on every event of the log (needed)", false},
};
static const struct option BUILD[] = {
    {OPT_FOLLOW, 'f', "--follow", NULL,
     "until it has caught up and is served, or waits for a switch; with a bar", false},
};
static const struct option DROP_VERSION[] = {
    {OPT_VERSION, 0, "--version", "N", "which version (needed)", false},
};
static const struct option ONLY_DRY_RUN[] = {DRY_RUN};
static const struct option STATUS[] = {
    {OPT_HTTP, 0, "--http", "HOST:PORT", "leat's HTTP address; else LEAT_HTTP, else 127.0.0.1:8080",
     false},
};
static const struct option BENCH[] = {
    {OPT_TOPIC, 't', "--topic", "TOPIC", "this topic (a new one, deleted afterwards)", false},
    {OPT_PARTITIONS, 'p', "--partitions", "N", "partitions of the new topic (1)", false},
    {OPT_KEEP, 0, "--keep", NULL, "do not delete the new topic", false},
    {OPT_SIZE, 's', "--size", "BYTES", "of a record (100)", false},
    {OPT_RATE, 'r', "--rate", "N", "records in a second (as fast as possible)", false},
    {OPT_SECONDS, 'd', "--seconds", "N", "how long each load runs (5)", false},
    {OPT_COUNT_OF, 'n', "--count", "N", "how many records instead", false},
    {OPT_ONE_IN_FLIGHT, '1', "--one-in-flight", NULL,
     "send the next record when the last is acknowledged", false},
    {OPT_LINGER, 0, "--linger", "MS", "wait for more records before sending (5)", false},
    {OPT_IDEMPOTENT, 0, "--idempotent", NULL, "with an idempotent producer", false},
    CODEC,
    ACKS,
    PROPERTY,
};
static const struct option VERIFY[] = {
    {OPT_OTHER, 'o', "--output", "FORMAT", "text (for people) or json", false},
};

#define OPTIONS(list) list, ARRAY_LEN(list)
#define NO_OPTIONS    NULL, 0

static const char CONSUME_TEXT[] =
    "Prints what the topic holds, each partition from its start to the end that it had when the\n"
    "command began, and ends. With --follow it goes on until Ctrl-C; --from says where to begin.\n"
    "Records of one partition come in order; partitions are mixed.\n"
    "\n"
    "A line is partition:offset, time, key and value, with control characters escaped.\n"
    "-o value prints the values alone, byte for byte; -o json prints one object on each line,\n"
    "in which a key or value that is not UTF-8 stands as key_base64 or value_base64.\n"
    "\n"
    "With --group the command is a member of that group: it begins where the group is, commits\n"
    "what it has printed, and ends when its partitions are read to their end (or goes on with\n"
    "--follow). --from then says where a group begins that has committed nothing.";

const struct command COMMANDS[] = {
    {"serve", NULL, "", 0, 0, "Run the server",
     "Prints `leat: ready kafka=HOST:PORT http=HOST:PORT` when both ports answer. SIGTERM or\n"
     "Ctrl-C ends it cleanly. Each option is also an environment variable: LEAT_DATA,\n"
     "LEAT_KAFKA, and so on.",
     "leat serve --data /var/lib/leat\tthe usual way\n"
     "leat serve --data data --kafka 127.0.0.1:0 --http 127.0.0.1:0\ton ports that are free",
     OPTIONS(SERVE), false, false, false, NULL},
    {"topic", "ls", "", 0, 0, "List topics with partitions and records",
     "Records are the offsets between start and end; compaction and transactions may have\n"
     "taken some of them.",
     "leat topic ls -o json\tfor scripts", OPTIONS(TOPIC_LS), true, false, true, run_topic_ls},
    {"topic", "show", "NAME", 1, 1, "Show partitions, offsets, sizes and settings of a topic", NULL,
     "leat topic show orders\tone line for each partition", NO_OPTIONS, true, false, true,
     run_topic_show},
    {"topic", "create", "NAME...", 1, CLI_WORDS_MAX, "Create topics", NULL,
     "leat topic create orders --partitions 3 --set retention.ms=86400000\tkept for a day",
     OPTIONS(TOPIC_CREATE), true, false, false, run_topic_create},
    {"topic", "delete", "NAME...", 1, CLI_WORDS_MAX, "Delete topics and all their records",
     "There is no way back.", NULL, OPTIONS(TOPIC_DELETE), true, false, false, run_topic_delete},
    {"topic", "config", "NAME", 1, 1, "Show or change the configuration of a topic",
     "Without --set and --unset it shows every key, its value and where that comes from. A\n"
     "change touches the named keys only.",
     "leat topic config orders --set retention.ms=3600000\tkeep an hour\n"
     "leat topic config orders --unset retention.ms\tthe broker's default again",
     OPTIONS(TOPIC_CONFIG), true, false, true, run_topic_config},
    {"topic", "tail", "NAME", 1, 1, "Print new records as they come, until Ctrl-C",
     "The same as leat consume NAME --from end --follow.", "leat topic tail orders\twatch",
     OPTIONS(TOPIC_TAIL), true, false, true, run_topic_tail},
    {"produce", NULL, "TOPIC [FILE]", 1, 2, "Write each line of a file or of the input as a record",
     "The topic must exist. Records are acknowledged by the broker before the command ends with\n"
     "status 0; with acks=all the producer is idempotent, so that a retry doubles nothing.\n"
     "Records without a key are spread over the partitions; with a key they go where Java's\n"
     "producer would put them (murmur2).",
     "echo hello | leat produce orders\tone record\n"
     "leat produce orders events.txt --separator : --codec zstd\tlines of KEY:VALUE",
     OPTIONS(PRODUCE), true, false, true, run_produce},
    {"consume", NULL, "TOPIC", 1, 1, "Print the records of a topic", CONSUME_TEXT,
     "leat consume orders\tall that is there\n"
     "leat consume orders --from -15m --follow\tthe last quarter of an hour, and on\n"
     "leat consume orders --from -1 -o value\tthe last value of each partition\n"
     "leat consume orders -g audit -o json\twhat the group audit has not seen yet",
     OPTIONS(CONSUME), true, false, true, run_consume},
    {"group", "ls", "", 0, 0, "List consumer groups", NULL, NULL, NO_OPTIONS, true, false, true,
     run_group_ls},
    {"group", "show", "GROUP", 1, 1, "Show members, offsets and lag of a group", NULL, NULL,
     NO_OPTIONS, true, false, true, run_group_show},
    {"group", "lag", "[GROUP...]", 0, CLI_WORDS_MAX,
     "Show how far groups are behind, for each partition and in total", NULL,
     "leat group lag\tall groups", NO_OPTIONS, true, false, true, run_group_lag},
    {"group", "seek", "GROUP", 1, 1, "Move the offsets of a group",
     "Shows the offsets before and after. A group that has members is refused: stop them first.\n"
     "A time means the first record of that time or later. What lies outside of the log is\n"
     "moved to its nearest end.",
     "leat group seek billing --topic orders --to start --dry-run\twhat would happen\n"
     "leat group seek billing --topic orders --to 2026-11-20T08:00:00Z\tread again since eight",
     OPTIONS(GROUP_SEEK), true, false, true, run_group_seek},
    {"group", "delete", "GROUP...", 1, CLI_WORDS_MAX, "Delete groups and their offsets",
     "A group that has members is refused.", NULL, NO_OPTIONS, true, false, false,
     run_group_delete},
    {"stream", "ls", "[CATEGORY]", 0, 1, "List streams in the order of their creation", NULL,
     "leat stream ls order\tthe streams of one category", OPTIONS(STREAM_LS), false, true, true,
     run_stream_ls},
    {"stream", "show", "STREAM", 1, 1, "Show the events of a stream, and its state",
     "With --at it shows what was known then: the events up to that time (or revision) and, if a\n"
     "fold is declared for the category, the state that they make.",
     "leat stream show order-123\tall of it\n"
     "leat stream show order-123 --at 2026-02-11T14:00Z\tas it was that afternoon\n"
     "leat stream show order-123 --at 5\tas it was when revision 5 was its last",
     OPTIONS(STREAM_SHOW), false, true, true, run_stream_show},
    {"stream", "append", "STREAM TYPE [DATA]", 2, 3, "Append one event",
     "DATA is JSON; without it, it is read from the input. An id that the stream has already "
     "makes\n"
     "this a repetition: nothing is appended, and the answer is the first one's.",
     "leat stream append order-123 OrderShipped '{\"carrier\":\"DHL\"}' --expected 5\tonly after "
     "revision 5",
     OPTIONS(STREAM_APPEND), false, true, true, run_stream_append},
    {"stream", "diff", "STREAM", 1, 1, "Show what happened between two moments",
     "The events after the first moment up to the second, and, if a fold is declared, what\n"
     "changed in the state.",
     "leat stream diff order-123 --from -1h\tthe last hour\n"
     "leat stream diff order-123 --from 3 --to 7\tbetween two revisions",
     OPTIONS(STREAM_DIFF), false, true, true, run_stream_diff},
    {"stream", "snapshot", "STREAM [STATE]", 1, 2, "Show or write a snapshot",
     "With STATE (JSON, - for the input) it is written for the stream's last revision (or the one\n"
     "of --at); with --fold the state is computed, and written under the schema that the fold\n"
     "declares (its name, if it declares none). Without both the newest valid one of --schema is\n"
     "shown: each schema has its own.",
     "leat stream snapshot order-123 --schema order\tthe newest one\n"
     "leat stream snapshot order-123 --fold order\twrite the folded state",
     OPTIONS(STREAM_SNAPSHOT), false, true, true, run_stream_snapshot},
    {"stream", "truncate", "STREAM", 1, 1, "Hide the events before a revision",
     "Readers do not get them any more. Ids and revisions stay known.",
     "leat stream truncate order-123 --before 100 --dry-run\twhat would happen",
     OPTIONS(STREAM_TRUNCATE), false, true, true, run_stream_truncate},
    {"stream", "delete", "STREAM", 1, 1, "Delete a stream",
     "Softly: readers find nothing, an append revives it at the next revision. With --hard for\n"
     "ever.",
     "leat stream delete order-123 --expected 7\tonly if nothing came after revision 7",
     OPTIONS(STREAM_DELETE), false, true, true, run_stream_delete},
    {"stream", "redact", "STREAM REVISION", 2, 2, "Take the data of one event away",
     "The event stays, with its id and revision; its data (or the named fields) are gone for all\n"
     "readers of the event store and, when it says `erased`, for Kafka clients and in the files.",
     "leat stream redact customer-7 3 --field /email --reason 'asked to be forgotten'\tone field",
     OPTIONS(STREAM_REDACT), false, true, true, run_stream_redact},
    {"stream", "upcast", "FILE", 1, 1, "Try upcasts on the events that are stored",
     "Reads every event, brings those that the file speaks of into their newest form, and says\n"
     "which cannot be brought there. Nothing is declared or written; the status is 1 if one fails.",
     "leat stream upcast order.yaml --against-log\tbefore leat upcast apply order.yaml",
     OPTIONS(AGAINST_LOG), false, true, true, run_stream_upcast},
    {"fold", "ls", "", 0, 0, "List folds", NULL, NULL, NO_OPTIONS, false, true, true,
     run_definition_ls},
    {"fold", "show", "NAME", 1, 1, "Show a fold as it was declared", NULL, NULL, NO_OPTIONS, false,
     true, true, run_definition_show},
    {"fold", "apply", "FILE", 1, 1, "Declare a fold, or replace it",
     "The file is YAML (or JSON); its member `fold` is the name. See docs/projections.md.",
     "leat fold apply order.yaml\tthen leat stream show order-123 shows the state too", NO_OPTIONS,
     false, true, false, run_definition_apply},
    {"fold", "delete", "NAME", 1, 1, "Take a fold away", NULL, NULL, NO_OPTIONS, false, true, false,
     run_definition_delete},
    {"upcast", "ls", "", 0, 0, "List upcasts", NULL, NULL, NO_OPTIONS, false, true, true,
     run_definition_ls},
    {"upcast", "show", "NAME", 1, 1, "Show upcasts as they were declared", NULL, NULL, NO_OPTIONS,
     false, true, true, run_definition_show},
    {"upcast", "apply", "FILE", 1, 1, "Declare upcasts, or replace them",
     "The file is YAML (or JSON); its name without folder and suffix is the name. From then on\n"
     "old events are read in their newest form.",
     "leat upcast apply order.yaml\tafter leat stream upcast order.yaml --against-log", NO_OPTIONS,
     false, true, false, run_definition_apply},
    {"upcast", "delete", "NAME", 1, 1, "Take upcasts away", NULL, NULL, NO_OPTIONS, false, true,
     false, run_definition_delete},
    {"projection", "ls", "", 0, 0, "List projections with their lag", NULL, NULL, NO_OPTIONS, false,
     true, true, run_projection_ls},
    {"projection", "show", "NAME", 1, 1, "Show versions, lag, rate and parked events", NULL, NULL,
     NO_OPTIONS, false, true, true, run_projection_show},
    {"projection", "check", "FILE", 1, 1, "Try a definition on the log, without writing",
     "Runs it over the events of the log into a database in memory, and shows the rows that it\n"
     "makes and the events that it could not apply; the status is 1 if there are any.",
     "leat projection check orders.yaml --against-log\tbefore it is declared", OPTIONS(AGAINST_LOG),
     false, true, true, run_projection_check},
    {"projection", "template", "WHAT CATEGORY", 2, 2, "Print a definition that is ready-made",
     "WHAT is event_store (a table with the events of the category) or snapshots (their "
     "snapshots).",
     "leat projection template event_store order | leat projection apply -\tthe textbook table",
     NO_OPTIONS, false, true, true, run_projection_template},
    {"projection", "apply", "FILE", 1, 1, "Declare a projection, or its next version",
     "A new version is built beside the one that is served, and served when it has caught up;\n"
     "with `switch: manual` when `leat projection switch` says so.",
     "leat projection apply orders.yaml --follow\tuntil it is served", OPTIONS(BUILD), false, true,
     true, run_projection_apply},
    {"projection", "rebuild", "NAME", 1, 1, "Build the tables anew, beside the served ones", NULL,
     "leat projection rebuild orders --follow\twith a bar", OPTIONS(BUILD), false, true, true,
     run_projection_rebuild},
    {"projection", "switch", "NAME", 1, 1, "Serve the version that was built", NULL, NULL,
     NO_OPTIONS, false, true, true, run_projection_switch},
    {"projection", "rollback", "NAME", 1, 1, "Serve the version before this one again", NULL, NULL,
     NO_OPTIONS, false, true, true, run_projection_rollback},
    {"projection", "cancel", "NAME", 1, 1, "Drop the version that is being built", NULL, NULL,
     NO_OPTIONS, false, true, true, run_projection_cancel},
    {"projection", "drop", "NAME", 1, 1, "Drop a version that is kept for a way back",
     "Versions that were served before are kept for the time of `keep`, four of them at most. The\n"
     "one that is served cannot be dropped.",
     "leat projection drop orders --version 2\tmake room for a rebuild", OPTIONS(DROP_VERSION),
     false, true, false, run_projection_drop},
    {"projection", "pause", "NAME", 1, 1, "Apply nothing for the moment", NULL, NULL, NO_OPTIONS,
     false, true, true, run_projection_pause},
    {"projection", "resume", "NAME", 1, 1, "Go on", NULL, NULL, NO_OPTIONS, false, true, true,
     run_projection_resume},
    {"projection", "watch", "VIEW", 1, 1, "Show rows of a view as they change",
     "From now on, until Ctrl-C. Each line is a row that was changed, as it is now, or the key of\n"
     "one that is gone. A line that says `read the view again` means it.",
     "leat projection watch orders\twhat a front end would see", NO_OPTIONS, false, true, true,
     run_projection_watch},
    {"projection", "parked", "NAME", 1, 1, "Show the keys whose events wait, and why", NULL, NULL,
     NO_OPTIONS, false, true, true, run_projection_parked},
    {"projection", "retry", "NAME KEY", 2, 2, "Apply the parked events of a key again", NULL, NULL,
     NO_OPTIONS, false, true, true, run_projection_retry},
    {"projection", "skip", "NAME KEY", 2, 2, "Drop the first parked event of a key and go on", NULL,
     NULL, NO_OPTIONS, false, true, true, run_projection_skip},
    {"projection", "delete", "NAME", 1, 1, "Remove a projection with its tables and views", NULL,
     NULL, OPTIONS(ONLY_DRY_RUN), false, true, false, run_projection_delete},
    {"status", NULL, "", 0, 0, "Is it well? One screen",
     "Asks the broker, and leat's own /readyz and /metrics for what the Kafka protocol does not\n"
     "tell. Without --http these are asked only if the broker is the default one; against any\n"
     "other Kafka the lines say what is not known. Rates are measured for a second. The exit\n"
     "status is 0 if it is well, 1 if it is not, 5 if no broker answers.",
     "leat status\tthe leat of this machine\n"
     "leat status -b kafka:9092 -o json\tany Kafka, for scripts",
     OPTIONS(STATUS), true, false, true, run_status},
    {"verify", NULL, "DIR", 1, 1, "Check a data directory that no server has open",
     "Reads every byte, changes nothing, and says what it found. The exit status is 0 if all is\n"
     "well and 3 if there is damage.",
     "leat verify /var/lib/leat\tafter stopping the server", OPTIONS(VERIFY), false, false, false,
     NULL},
    {"bench", NULL, "[produce|consume|end-to-end]", 0, 1,
     "Load a broker; print rates and percentiles of latency",
     "Without a word all three loads run one after the other on a new topic.\n"
     "\n"
     "produce: the latency is from handing a record to the client until the broker acknowledged\n"
     "it. As fast as possible, most of that is the client's own queue; --rate or --one-in-flight\n"
     "show what the broker takes. consume: reads all that the topic has. end-to-end: from handing\n"
     "a record to a producer until a consumer has it, one at a time unless --rate is given.",
     "leat bench produce --one-in-flight --seconds 10\tlatency of one durable write\n"
     "leat bench produce --size 1000 --rate 5000\tlatency under a steady load\n"
     "leat bench -b kafka:9092 -o json\tanother broker, for scripts",
     OPTIONS(BENCH), true, false, true, run_bench},
    {"version", NULL, "", 0, 0, "Print the version", NULL, NULL, NO_OPTIONS, false, false, true,
     run_version},
    {"completion", NULL, "bash|zsh|fish", 1, 1, "Print a completion script for a shell", NULL,
     "source <(leat completion bash)\tin this shell, now", NO_OPTIONS, false, false, false,
     run_completion},
    {"help", NULL, "[COMMAND...]", 0, 2, "Tell about a command", NULL, NULL, NO_OPTIONS, false,
     false, false, run_help},
    /* Not told: makes the pages of man/. */
    {"manual", NULL, "PAGE", 1, 1, "", NULL, NULL, NO_OPTIONS, false, false, false, run_manual},
};
const size_t COMMAND_COUNT = ARRAY_LEN(COMMANDS);

const char *noun_summary(const struct command *c)
{
    return c->verb == NULL                 ? c->summary
           : strcmp(c->noun, "topic") == 0 ? "List, show, create, delete, configure, follow topics"
           : strcmp(c->noun, "stream") == 0
               ? "List, show, append to, compare, truncate, delete event streams"
           : strcmp(c->noun, "fold") == 0       ? "Declare what state the events of a stream make"
           : strcmp(c->noun, "upcast") == 0     ? "Declare how old events look in their newest form"
           : strcmp(c->noun, "projection") == 0 ? "Declare, show, rebuild, switch read models"
                                                : "List, show, move, delete consumer groups";
}
