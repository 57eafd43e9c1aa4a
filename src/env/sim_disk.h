/*
 * The simulated disk: inodes in numbered slots. Each inode has two sides: `now`, what an
 * application sees, and `safe`, what is known to be on the medium; between them stands the list of
 * operations that made `now` out of `safe`, each with its fate:
 *
 *   pending  not synced: a power cut keeps, loses or tears it
 *   doomed   its sync failed: as pending, but later syncs do not help (the kernel calls the page
 * clean) fixed    synced, and still in the list only because an older pending or doomed operation
 * touches the same bytes or name, so that it has to be applied after that one
 *
 * now == safe + all operations in order, always. A list without pending and doomed ones is empty.
 *
 * Names (directory entries) have one list for the whole disk, since a rename may touch two
 * directories. An inode has at most one name on each side (there are no hard links).
 *
 * Inodes, names, operations and pages are counted and shared between a disk and its saved copies;
 * whoever changes an inode takes it by sim_inode_mut.
 */
#ifndef LEAT_ENV_SIM_DISK_H
#define LEAT_ENV_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"
#include "core/str.h"
#include "env/sim_tree.h"

#define SIM_NO_INODE 0u
#define SIM_ROOT     1u
#define SIM_NAME_MAX 255u
/* Pending operations of one file; beyond it the older half reaches the medium, as by a kernel's
 * write-back. */
#define SIM_PENDING_MAX 65536u

enum sim_fate { SIM_PENDING, SIM_DOOMED, SIM_FIXED };

/* One change of a file's content. A write holds whole sectors, as they were in memory after it. */
struct sim_op {
    uint32_t refs;
    enum { SIM_OP_WRITE, SIM_OP_SIZE, SIM_OP_CLAIM } kind;
    bool shrink;     /* SIZE: it drops what is beyond */
    uint64_t seq;    /* order over the whole disk */
    uint64_t offset; /* WRITE: a multiple of the sector */
    uint64_t n;      /* WRITE, CLAIM: bytes; SIZE: the new size */
    uint8_t data[];
};
struct sim_pending {
    struct sim_op *op;
    enum sim_fate fate;
};

struct sim_name {
    uint32_t refs;
    uint32_t n;
    char text[]; /* with a NUL */
};
struct sim_place {
    uint32_t dir; /* SIM_NO_INODE: nowhere */
    struct sim_name *name;
};
struct sim_entry {
    struct sim_name *name;
    uint32_t id;
};
struct sim_entries { /* sorted by name */
    struct sim_entry *e;
    size_t n, cap;
};

/* One change of directory entries; a rename is one change of two, never half of it. */
struct sim_name_op {
    uint32_t refs;
    enum { SIM_NAME_LINK, SIM_NAME_UNLINK, SIM_NAME_RENAME } kind;
    uint64_t seq;
    uint32_t inode;
    uint32_t replaced; /* RENAME: what had the target name, or SIM_NO_INODE */
    struct sim_place at;
    struct sim_place from; /* RENAME */
};
struct sim_name_pending {
    struct sim_name_op *op;
    enum sim_fate fate;
};

struct sim_inode {
    uint32_t refs;
    uint32_t id;
    bool is_dir;
    struct sim_place now_at, safe_at;
    struct sim_tree now, safe;
    uint64_t now_size, safe_size;
    struct sim_pending *pend;
    size_t pend_n, pend_cap;
    struct sim_entries now_names, safe_names;
};
struct sim_slot {
    struct sim_inode *inode; /* NULL: a free slot */
    uint32_t handles;        /* open now; not part of what is saved */
};

struct env_sim_disk {
    struct sim_slot *slots; /* by inode id; slot 0 stays free */
    size_t n, cap;
    struct sim_name_pending *names;
    size_t names_n, names_cap;
    uint64_t used_pages; /* claimed on the now side by inodes that have a name or a handle */
    uint64_t seq;
    int cut_op; /* of a saved copy: the operation before which the power went (enum env_sim_op) */
};

/* ---- sim_disk.c: inodes ---- */
void sim_disk_init(struct env_sim_disk *d); /* an empty root */
void sim_disk_deinit(struct env_sim_disk *d);
/* `dst` is freed first. Handles are not copied. */
void sim_disk_copy(struct env_sim_disk *dst, const struct env_sim_disk *src);
const struct sim_inode *sim_inode(const struct env_sim_disk *d, uint32_t id);
struct sim_inode *sim_inode_mut(struct env_sim_disk *d, uint32_t id);
uint32_t sim_inode_new(struct env_sim_disk *d, bool is_dir);
void sim_inode_drop(struct sim_inode *ino); /* one reference */
/* Puts another inode struct into the slot of the same id. */
void sim_inode_replace(struct env_sim_disk *d, struct sim_inode *ino);
/* The last handle is gone or the last name: gives up what nobody can reach any more. */
void sim_inode_release(struct env_sim_disk *d, uint32_t id);
/* As sim_inode_release for all: after handles were declared void. Recounts used_pages. */
void sim_disk_release_all(struct env_sim_disk *d);
uint64_t sim_disk_hash(const struct env_sim_disk *d);

/* ---- sim_names.c: directories ---- */
struct sim_name *sim_name_new(struct str s);
struct sim_name *sim_name_ref(struct sim_name *n);
void sim_name_drop(struct sim_name *n);
uint32_t sim_entries_find(const struct sim_entries *s, struct str name);
void sim_entries_copy(struct sim_entries *dst, const struct sim_entries *src); /* dst is empty */
void sim_entries_free(struct sim_entries *s);
struct sim_path {
    uint32_t dir;    /* of the last component; SIM_NO_INODE for the root itself */
    struct str leaf; /* into the path given */
    uint32_t inode;  /* SIM_NO_INODE: not there */
};
/* 0, or an errno: ENOENT (a directory on the way is missing), ENOTDIR, ENAMETOOLONG, EINVAL ("..").
 */
int sim_path_find(const struct env_sim_disk *d, const char *path, struct sim_path *out);
bool sim_dir_contains(const struct env_sim_disk *d, uint32_t dir,
                      uint32_t inode); /* at any depth */
void sim_link(struct env_sim_disk *d, uint32_t dir, struct str name, uint32_t inode);
void sim_unlink(struct env_sim_disk *d, uint32_t inode);
void sim_rename(struct env_sim_disk *d, uint32_t inode, uint32_t dir, struct str name,
                uint32_t replaced);
/* Entries of `dir` (SIM_NO_INODE: of all) that are pending become fixed, or doomed. */
void sim_names_sync(struct env_sim_disk *d, uint32_t dir);
void sim_names_doom(struct env_sim_disk *d, uint32_t dir);
void sim_name_apply(struct env_sim_disk *d, const struct sim_name_op *op); /* to the safe side */
void sim_names_clear(struct env_sim_disk *d);
void sim_names_now_is_safe(struct env_sim_disk *d); /* after a cut: drops what is not reachable */
bool sim_names_refer(const struct env_sim_disk *d, uint32_t inode);

/* ---- sim_pending.c: content ---- */
void sim_file_write(struct env_sim_disk *d, uint32_t id, uint64_t offset, const void *p, size_t n);
void sim_file_resize(struct env_sim_disk *d, uint32_t id, uint64_t size);
void sim_file_claim(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n);
void sim_file_sync(struct env_sim_disk *d, uint32_t id);
/* What an O_DSYNC write of these bytes makes durable: the sectors, and the size if they need it. */
void sim_file_sync_range(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n);
void sim_file_doom(struct env_sim_disk *d, uint32_t id);
void sim_file_doom_range(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n);
/* Doomed writes in the range are read back from the medium: choose(ctx) says for each sector which
 * of them are there. Changes what an application sees. */
void sim_file_reread(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n,
                     bool (*choose)(void *ctx), void *ctx);
void sim_pending_free(struct sim_inode *ino);
void sim_pending_drop_all(
    struct sim_inode *ino); /* the fixed ones reach `safe`, the others are lost */
/* Applies to the safe side the write's sectors of which choose(ctx) is true (choose NULL: all). */
void sim_op_apply_write(struct sim_tree *t, const struct sim_op *op, bool (*choose)(void *ctx),
                        void *ctx);
void sim_op_apply(struct sim_tree *t, uint64_t *size, const struct sim_op *op);
uint64_t sim_disk_pending(const struct env_sim_disk *d); /* operations that a cut may lose */

#endif
