# bash completion of leat. Made by `leat completion bash`.
_leat_names() {
    leat "$1" ls --timeout 1 2>/dev/null | sed -e 1d -e 's/ .*//'
}

_leat() {
    local current="${COMP_WORDS[COMP_CWORD]}" noun="${COMP_WORDS[1]}" verb=''
    local words='' options='' kind=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="serve topic produce consume group stream fold upcast projection status verify bench version completion help"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
        return
    fi
    case $noun in
    topic | group | stream | fold | upcast | projection) [ "$COMP_CWORD" -gt 2 ] && verb="${COMP_WORDS[2]}" ;;
    esac
    case "$noun $verb" in
    'serve ') kind='' options="--data --kafka --http --advertise --config --set --insecure-allow-anonymous --help" ;;
    'topic ') words="ls show create delete config tail" ;;
    'topic ls') kind='' options="--all --output --bootstrap --timeout --help" ;;
    'topic show') kind='topic' options="--output --bootstrap --timeout --help" ;;
    'topic create') kind='' options="--partitions --replication --set --if-not-exists --dry-run --bootstrap --timeout --help" ;;
    'topic delete') kind='topic' options="--if-exists --bootstrap --timeout --help" ;;
    'topic config') kind='topic' options="--set --unset --dry-run --output --bootstrap --timeout --help" ;;
    'topic tail') kind='topic' options="--from --partition --count --property --output --bootstrap --timeout --help" ;;
    'produce ') kind='topic' options="--key --separator --header --partition --codec --acks --property --output --bootstrap --timeout --help" ;;
    'consume ') kind='topic' options="--from --partition --group --count --follow --property --output --bootstrap --timeout --help" ;;
    'group ') words="ls show lag seek delete" ;;
    'group ls') kind='' options="--output --bootstrap --timeout --help" ;;
    'group show') kind='group' options="--output --bootstrap --timeout --help" ;;
    'group lag') kind='group' options="--output --bootstrap --timeout --help" ;;
    'group seek') kind='group' options="--topic --to --partition --dry-run --output --bootstrap --timeout --help" ;;
    'group delete') kind='group' options="--bootstrap --timeout --help" ;;
    'stream ') words="ls show append diff snapshot truncate delete redact upcast" ;;
    'stream ls') kind='' options="--prefix --limit --output --http --timeout --help" ;;
    'stream show') kind='stream' options="--at --from --limit --fold --output --http --timeout --help" ;;
    'stream append') kind='stream' options="--expected --id --tag --meta --output --http --timeout --help" ;;
    'stream diff') kind='stream' options="--from --to --fold --output --http --timeout --help" ;;
    'stream snapshot') kind='stream' options="--schema --at --fold --output --http --timeout --help" ;;
    'stream truncate') kind='stream' options="--before --dry-run --output --http --timeout --help" ;;
    'stream delete') kind='stream' options="--hard --expected --dry-run --output --http --timeout --help" ;;
    'stream redact') kind='stream' options="--reason --field --dry-run --output --http --timeout --help" ;;
    'stream upcast') kind='file' options="--against-log --output --http --timeout --help" ;;
    'fold ') words="ls show apply delete" ;;
    'fold ls') kind='' options="--output --http --timeout --help" ;;
    'fold show') kind='' options="--output --http --timeout --help" ;;
    'fold apply') kind='file' options="--http --timeout --help" ;;
    'fold delete') kind='' options="--http --timeout --help" ;;
    'upcast ') words="ls show apply delete" ;;
    'upcast ls') kind='' options="--output --http --timeout --help" ;;
    'upcast show') kind='' options="--output --http --timeout --help" ;;
    'upcast apply') kind='file' options="--http --timeout --help" ;;
    'upcast delete') kind='' options="--http --timeout --help" ;;
    'projection ') words="ls show check template apply rebuild switch rollback cancel drop pause resume watch parked retry skip delete" ;;
    'projection ls') kind='' options="--output --http --timeout --help" ;;
    'projection show') kind='projection' options="--output --http --timeout --help" ;;
    'projection check') kind='file' options="--against-log --output --http --timeout --help" ;;
    'projection template') kind='' options="--output --http --timeout --help" ;;
    'projection apply') kind='file' options="--follow --output --http --timeout --help" ;;
    'projection rebuild') kind='projection' options="--follow --output --http --timeout --help" ;;
    'projection switch') kind='projection' options="--output --http --timeout --help" ;;
    'projection rollback') kind='projection' options="--output --http --timeout --help" ;;
    'projection cancel') kind='projection' options="--output --http --timeout --help" ;;
    'projection drop') kind='projection' options="--version --http --timeout --help" ;;
    'projection pause') kind='projection' options="--output --http --timeout --help" ;;
    'projection resume') kind='projection' options="--output --http --timeout --help" ;;
    'projection watch') kind='' options="--output --http --timeout --help" ;;
    'projection parked') kind='projection' options="--output --http --timeout --help" ;;
    'projection retry') kind='projection' options="--output --http --timeout --help" ;;
    'projection skip') kind='projection' options="--output --http --timeout --help" ;;
    'projection delete') kind='projection' options="--dry-run --http --timeout --help" ;;
    'status ') kind='' options="--http --output --bootstrap --timeout --help" ;;
    'verify ') kind='file' options="--output --help" ;;
    'bench ') kind='' options="--topic --partitions --keep --size --rate --seconds --count --one-in-flight --linger --idempotent --codec --acks --property --output --bootstrap --timeout --help" words='produce consume end-to-end' ;;
    'version ') kind='' options="--output --help" ;;
    'completion ') kind='' options="--help" words='bash zsh fish' ;;
    'help ') kind='' options="--help" ;;
    esac
    case $current in
    -*) words=$options kind='' ;;
    esac
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -o | --output) words='text json' kind='' ;;
    --codec) words='none gzip snappy lz4 zstd' kind='' ;;
    --acks) words='all 1 0' kind='' ;;
    --from | --to) words='start end' kind='' ;;
    --topic) kind=topic ;;
    --group) kind=group ;;
    --data | --config) kind=file ;;
    esac
    case $kind in
    topic | group | stream | projection) words=$(_leat_names "$kind") ;;
    file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _leat leat
