/* What the resources of views share. */
#ifndef LEAT_API_VIEWS_H
#define LEAT_API_VIEWS_H

#include "api/api_int.h"
#include "proj/proj.h"

#define VIEW_FILTERS_MAX 32u
#define VIEW_COLUMNS_MAX 128u

/* The definitions of projections are known. False: answered; the server has only just started. */
bool view_known(struct api_call *c);
/* The parameters `filter`. False: answered. */
bool view_filters_read(struct api_call *c, struct proj_filter filters[VIEW_FILTERS_MAX],
                       size_t *count);
/* Answers a wait that was not met in its time: how far behind the read model is. */
void view_reply_behind(struct api_call *c, const struct proj_wait *p);
/* The code of an error of proj about a view. */
const char *view_problem_of(enum err e);

#endif
