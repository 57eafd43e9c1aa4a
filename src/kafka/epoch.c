/* Leader epochs: where one ends. */
#include "kafka/epoch.h"

#include "kafka/kafka_int.h"

void epoch_end(const struct partition *p, int32_t asked, int32_t *epoch, int64_t *end)
{
    const struct store_epoch *epochs = NULL;
    struct store_part_info info;
    size_t n = store_part_epochs(p->part, &epochs);
    store_part_info_get(p->part, &info);
    *epoch = -1;
    *end = -1;
    if (asked < 0 || asked > info.leader_epoch) {
        return;
    }
    if (asked == info.leader_epoch) {
        *epoch = asked;
        *end = info.high_watermark;
        return;
    }
    if (n == 0 || asked < epochs[0].epoch) {
        *epoch = asked;
        *end = n == 0 ? info.high_watermark : epochs[0].start_offset;
        return;
    }
    for (size_t i = n; i-- > 0;) {
        if (epochs[i].epoch <= asked) {
            *epoch = epochs[i].epoch;
            *end = i + 1 < n ? epochs[i + 1].start_offset : info.high_watermark;
            return;
        }
    }
}
