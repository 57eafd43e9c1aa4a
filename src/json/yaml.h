/*
 * YAML that people write (definitions, declarations) as JSON, so that the rest of the house knows
 * one language. The core schema of YAML 1.2: null, true, false, numbers; everything else is text.
 * What JSON does not have, or what surprises (anchors and aliases, merge keys, tags, keys that are
 * no scalars, .inf, numbers with leading zeros, a key twice), is refused and never guessed.
 *
 * Pure functions over memory, but for what libyaml allocates while it reads.
 */
#ifndef LEAT_JSON_YAML_H
#define LEAT_JSON_YAML_H

#include "json/json.h"

#define YAML_TEXT_MAX    (1u << 20) /* bytes of a document */
#define YAML_MEMBERS_MAX 1024u      /* of one mapping */

/* Where each value of the JSON text stood in the YAML. In the caller's arena; views the buffer. */
struct yaml_map;

/*
 * The one document in `yaml` as JSON text in `out` (emptied first), at most JSON_DEPTH_DEFAULT
 * deep. `file` names it in errors: "orders.yaml:12:3: a second member 'key' in one mapping".
 * ERR_CONFIG: not YAML, or one of what is refused; ERR_LIMIT; ERR_NO_MEMORY. `out` must stay as it
 * is for as long as the map is used.
 */
MUST_USE enum err yaml_to_json(struct str yaml, const char *file, struct buf *out, struct arena *a,
                               struct yaml_map **map, struct ectx *ec);
/*
 * Line and column (in characters, both from 1) where the value begins in the YAML: of quoted text
 * the first character behind the quote. `v` was parsed from the JSON text that belongs to the map
 * (a struct yaml_map: the form is that of mapping_doc.place); false: it was not.
 */
bool yaml_place(void *map, const struct json *v, uint32_t *line, uint32_t *column);

#endif
