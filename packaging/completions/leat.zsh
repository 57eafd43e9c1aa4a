#compdef leat
# zsh completion of leat. Made by `leat completion zsh`.
_leat_topics() {
    local -a names
    names=(${(f)"$(leat topic ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//')"})
    compadd -a names
}
_leat_groups() {
    local -a names
    names=(${(f)"$(leat group ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//')"})
    compadd -a names
}
_leat_streams() {
    local -a names
    names=(${(f)"$(leat stream ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//')"})
    compadd -a names
}
_leat_projections() {
    local -a names
    names=(${(f)"$(leat projection ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//')"})
    compadd -a names
}
_leat() {
    local noun=$words[2] verb=''
    local -a list
    if (( CURRENT == 2 )); then
        list=( \
            'serve:Run the server' \
            'topic:List, show, create, delete, configure, follow topics' \
            'produce:Write each line of a file or of the input as a record' \
            'consume:Print the records of a topic' \
            'group:List, show, move, delete consumer groups' \
            'stream:List, show, append to, compare, truncate, delete event streams' \
            'fold:Declare what state the events of a stream make' \
            'upcast:Declare how old events look in their newest form' \
            'projection:Declare, show, rebuild, switch read models' \
            'status:Is it well? One screen' \
            'verify:Check a data directory that no server has open' \
            'bench:Load a broker; print rates and percentiles of latency' \
            'version:Print the version' \
            'completion:Print a completion script for a shell' \
            'help:Tell about a command')
        _describe command list
        return
    fi
    if [[ $noun == topic ]] && (( CURRENT == 3 )); then
        list=( \
            'ls:List topics with partitions and records' \
            'show:Show partitions, offsets, sizes and settings of a topic' \
            'create:Create topics' \
            'delete:Delete topics and all their records' \
            'config:Show or change the configuration of a topic' \
            'tail:Print new records as they come, until Ctrl-C')
        _describe command list
        return
    fi
    if [[ $noun == group ]] && (( CURRENT == 3 )); then
        list=( \
            'ls:List consumer groups' \
            'show:Show members, offsets and lag of a group' \
            'lag:Show how far groups are behind, for each partition and in total' \
            'seek:Move the offsets of a group' \
            'delete:Delete groups and their offsets')
        _describe command list
        return
    fi
    if [[ $noun == stream ]] && (( CURRENT == 3 )); then
        list=( \
            'ls:List streams in the order of their creation' \
            'show:Show the events of a stream, and its state' \
            'append:Append one event' \
            'diff:Show what happened between two moments' \
            'snapshot:Show or write a snapshot' \
            'truncate:Hide the events before a revision' \
            'delete:Delete a stream' \
            'redact:Take the data of one event away' \
            'upcast:Try upcasts on the events that are stored')
        _describe command list
        return
    fi
    if [[ $noun == fold ]] && (( CURRENT == 3 )); then
        list=( \
            'ls:List folds' \
            'show:Show a fold as it was declared' \
            'apply:Declare a fold, or replace it' \
            'delete:Take a fold away')
        _describe command list
        return
    fi
    if [[ $noun == upcast ]] && (( CURRENT == 3 )); then
        list=( \
            'ls:List upcasts' \
            'show:Show upcasts as they were declared' \
            'apply:Declare upcasts, or replace them' \
            'delete:Take upcasts away')
        _describe command list
        return
    fi
    if [[ $noun == projection ]] && (( CURRENT == 3 )); then
        list=( \
            'ls:List projections with their lag' \
            'show:Show versions, lag, rate and parked events' \
            'check:Try a definition on the log, without writing' \
            'template:Print a definition that is ready-made' \
            'apply:Declare a projection, or its next version' \
            'rebuild:Build the tables anew, beside the served ones' \
            'switch:Serve the version that was built' \
            'rollback:Serve the version before this one again' \
            'cancel:Drop the version that is being built' \
            'drop:Drop a version that is kept for a way back' \
            'pause:Apply nothing for the moment' \
            'resume:Go on' \
            'watch:Show rows of a view as they change' \
            'parked:Show the keys whose events wait, and why' \
            'retry:Apply the parked events of a key again' \
            'skip:Drop the first parked event of a key and go on' \
            'delete:Remove a projection with its tables and views')
        _describe command list
        return
    fi
    if [[ $noun == (topic|group|stream|fold|upcast|projection) ]]; then
        verb=$words[3]
        shift words
        (( CURRENT-- ))
    fi
    shift words
    (( CURRENT-- ))
    case "$noun $verb" in
    'serve ') _arguments \
        '--data=[where everything is kept (data)]:DIR:_files' \
        '--kafka=[the Kafka listener (127.0.0.1\:9092); port 0\: any]:HOST\:PORT: ' \
        '--http=[the HTTP API, health and metrics (127.0.0.1\:8080); port 0\: any]:HOST\:PORT: ' \
        '--advertise=[what clients are told to connect to (the address they connected on)]:HOST\:PORT: ' \
        '--config=[options in YAML, see leat.conf(5)]:FILE:_files' \
        '*--set=[one option]:KEY=VALUE: ' \
        '--insecure-allow-anonymous[listen beyond loopback although nobody is authenticated]' \
        '--help[tell about this command]' ;;
    'topic ls') _arguments \
        '--all[internal topics too]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'topic show') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:topic:_leat_topics' ;;
    'topic create') _arguments \
        '--partitions=[how many (the broker'\''s default)]:N: ' \
        '--replication=[copies of each (the broker'\''s default)]:N: ' \
        '*--set=[a configuration of the topic]:KEY=VALUE: ' \
        '--if-not-exists[it is fine if it exists already]' \
        '--dry-run[only say what would happen]' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'topic delete') _arguments \
        '--if-exists[it is fine if it does not exist]' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:topic:_leat_topics' ;;
    'topic config') _arguments \
        '*--set=[change one key; all others stay as they are]:KEY=VALUE: ' \
        '*--unset=[back to the default]:KEY: ' \
        '--dry-run[only say what would happen]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:topic:_leat_topics' ;;
    'topic tail') _arguments \
        '--from=[end, start, 42, -10 (ten before the end), a time (end)]:WHERE: ' \
        '--partition=[only this partition]:N: ' \
        '--count=[stop after N records]:N: ' \
        '*--property=[a setting of librdkafka]:NAME=VALUE: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:topic:_leat_topics' ;;
    'produce ') _arguments \
        '--key=[the key of every record (none)]:KEY: ' \
        '--separator=[splits each line into key and value]:TEXT: ' \
        '*--header=[a header of every record]:NAME=VALUE: ' \
        '--partition=[into this partition (by key)]:N: ' \
        '--codec=[none, gzip, snappy, lz4 or zstd (none)]:CODEC:(none gzip snappy lz4 zstd)' \
        '--acks=[all, 1 or 0 (all)]:ACKS:(all 1 0)' \
        '*--property=[a setting of librdkafka]:NAME=VALUE: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:topic:_leat_topics' ;;
    'consume ') _arguments \
        '--from=[start, end, 42, -10 (ten before the end), a time (start)]:WHERE: ' \
        '--partition=[only this partition]:N: ' \
        '--group=[as a member of this group, and commit]:GROUP:_leat_groups' \
        '--count=[stop after N records]:N: ' \
        '--follow[go on when the end is reached]' \
        '*--property=[a setting of librdkafka]:NAME=VALUE: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:topic:_leat_topics' ;;
    'group ls') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'group show') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:group:_leat_groups' ;;
    'group lag') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:group:_leat_groups' ;;
    'group seek') _arguments \
        '--topic=[of this topic (needed)]:TOPIC:_leat_topics' \
        '--to=[start, end, 42, -10 (ten before the end), a time (needed)]:WHERE: ' \
        '--partition=[only this partition]:N: ' \
        '--dry-run[only say what would happen]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:group:_leat_groups' ;;
    'group delete') _arguments \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:group:_leat_groups' ;;
    'stream ls') _arguments \
        '--prefix=[names that begin with this]:TEXT: ' \
        '--limit=[at most so many (1000)]:N: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'stream show') _arguments \
        '--at=[as it was at a time, or at a revision (now)]:WHEN: ' \
        '--from=[begin at this revision (0)]:REVISION: ' \
        '--limit=[at most so many events (1000)]:N: ' \
        '--fold=[this declared fold (the one of the category)]:NAME: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream append') _arguments \
        '--expected=[only if the stream is at this revision; or no_stream, exists, any (any)]:WHAT: ' \
        '--id=[the event'\''s id (the server makes one)]:ID: ' \
        '*--tag=[a tag, as order\:42]:TAG: ' \
        '--meta=[an object kept beside the data]:JSON: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream diff') _arguments \
        '--from=[a time or a revision (needed)]:WHEN: ' \
        '--to=[a time or a revision (now)]:WHEN: ' \
        '--fold=[this declared fold (the one of the category)]:NAME: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream snapshot') _arguments \
        '--schema=[whose slot\: the schema of the state (that of --fold, else default)]:TAG: ' \
        '--at=[as it was at a time, or at a revision (now)]:WHEN: ' \
        '--fold=[this declared fold (the one of the category)]:NAME: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream truncate') _arguments \
        '--before=[the first revision that stays (needed)]:REVISION: ' \
        '--dry-run[only say what would happen]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream delete') _arguments \
        '--hard[for ever\: nobody can append to it again]' \
        '--expected=[only if the stream is at this revision; or no_stream, exists, any (any)]:WHAT: ' \
        '--dry-run[only say what would happen]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream redact') _arguments \
        '--reason=[why, for the record (needed)]:TEXT: ' \
        '*--field=[only this part of the data, as /email (all of it)]:POINTER: ' \
        '--dry-run[only say what would happen]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:stream:_leat_streams' ;;
    'stream upcast') _arguments \
        '--against-log[try it on every event of the log (needed)]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:file:_files' ;;
    'fold ls') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'fold show') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'fold apply') _arguments \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:file:_files' ;;
    'fold delete') _arguments \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'upcast ls') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'upcast show') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'upcast apply') _arguments \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:file:_files' ;;
    'upcast delete') _arguments \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'projection ls') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'projection show') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection check') _arguments \
        '--against-log[try it on every event of the log (needed)]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:file:_files' ;;
    'projection template') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'projection apply') _arguments \
        '--follow[until it has caught up and is served, or waits for a switch; with a bar]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:file:_files' ;;
    'projection rebuild') _arguments \
        '--follow[until it has caught up and is served, or waits for a switch; with a bar]' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection switch') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection rollback') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection cancel') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection drop') _arguments \
        '--version=[which version (needed)]:N: ' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection pause') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection resume') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection watch') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'projection parked') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection retry') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection skip') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'projection delete') _arguments \
        '--dry-run[only say what would happen]' \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        '*:projection:_leat_projections' ;;
    'status ') _arguments \
        '--http=[leat'\''s HTTP address; else LEAT_HTTP, else 127.0.0.1\:8080]:HOST\:PORT: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' ;;
    'verify ') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--help[tell about this command]' \
        '*:file:_files' ;;
    'bench ') _arguments \
        '--topic=[this topic (a new one, deleted afterwards)]:TOPIC:_leat_topics' \
        '--partitions=[partitions of the new topic (1)]:N: ' \
        '--keep[do not delete the new topic]' \
        '--size=[of a record (100)]:BYTES: ' \
        '--rate=[records in a second (as fast as possible)]:N: ' \
        '--seconds=[how long each load runs (5)]:N: ' \
        '--count=[how many records instead]:N: ' \
        '--one-in-flight[send the next record when the last is acknowledged]' \
        '--linger=[wait for more records before sending (5)]:MS: ' \
        '--idempotent[with an idempotent producer]' \
        '--codec=[none, gzip, snappy, lz4 or zstd (none)]:CODEC:(none gzip snappy lz4 zstd)' \
        '--acks=[all, 1 or 0 (all)]:ACKS:(all 1 0)' \
        '*--property=[a setting of librdkafka]:NAME=VALUE: ' \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--bootstrap=[the broker to ask; else LEAT_BOOTSTRAP, else 127.0.0.1\:9092]:HOST\:PORT\[,...\]: ' \
        '--timeout=[how long to wait for an answer (10)]:SECONDS: ' \
        '--help[tell about this command]' \
        ':load:(produce consume end-to-end)' ;;
    'version ') _arguments \
        '--output=[text (for people) or json]:FORMAT:(text json)' \
        '--help[tell about this command]' ;;
    'completion ') _arguments \
        '--help[tell about this command]' \
        ':shell:(bash zsh fish)' ;;
    'help ') _arguments \
        '--help[tell about this command]' ;;
    esac
}
_leat "$@"
