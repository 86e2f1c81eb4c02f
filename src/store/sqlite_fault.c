/* SPDX-License-Identifier: Apache-2.0 */
#ifdef COUNTERSIGN_TEST_HOOKS

#include "store/sqlite_fault.h"
#include "store/sqlite.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum call { CALL_WRITE, CALL_TRUNCATE, CALL_SYNC };

/* A file of ours: SQLite allocates szOsFile bytes, ours and then the real one's. */
struct fault_file {
        sqlite3_file base;
        sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;
static sqlite3_io_methods fault_methods;

static _Atomic int kind_now;
static atomic_bool only_once;
static _Atomic uint64_t fail_at, calls, failed;

void sqlite_fault_set(enum fault_kind kind, uint64_t nth, bool once)
{
        atomic_store(&kind_now, FAULT_NONE);
        atomic_store(&calls, 0);
        atomic_store(&failed, 0);
        atomic_store(&fail_at, nth);
        atomic_store(&only_once, once);
        atomic_store(&kind_now, kind);
}

uint64_t sqlite_fault_calls(void)
{
        return atomic_load(&calls);
}

uint64_t sqlite_fault_failed(void)
{
        return atomic_load(&failed);
}

static bool concerns(enum fault_kind kind, enum call call)
{
        switch (kind) {
        case FAULT_NONE:
                return false;
        case FAULT_FULL:
        case FAULT_WRITE:
                return call == CALL_WRITE;
        case FAULT_SYNC:
                return call == CALL_SYNC;
        case FAULT_IO:
        case FAULT_KILL:
                return true;
        }
        return false;
}

/* Counts; true if this call must fail. */
static bool must_fail(enum call call, enum fault_kind *ret_kind)
{
        enum fault_kind kind = (enum fault_kind)atomic_load(&kind_now);
        uint64_t n;
        bool fail;

        *ret_kind = kind;
        if (!concerns(kind, call))
                return false;
        n = atomic_fetch_add(&calls, 1) + 1;
        fail = atomic_load(&only_once) ? n == atomic_load(&fail_at) : n >= atomic_load(&fail_at);
        if (fail)
                atomic_fetch_add(&failed, 1);
        return fail;
}

bool sqlite_fault_pass(bool is_sync)
{
        enum fault_kind kind;

        if (!must_fail(is_sync ? CALL_SYNC : CALL_WRITE, &kind))
                return true;
        if (kind == FAULT_KILL)
                raise(SIGKILL);
        errno = kind == FAULT_FULL ? ENOSPC : EIO;
        return false;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
        return ((struct fault_file *)file)->real;
}

static int fault_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
        sqlite3_file *real = real_of(file);
        enum fault_kind kind;

        if (!must_fail(CALL_WRITE, &kind))
                return real->pMethods->xWrite(real, bytes, size, at);
        if (kind == FAULT_FULL)
                return SQLITE_FULL;
        real->pMethods->xWrite(real, bytes, size / 2, at);
        if (kind == FAULT_KILL)
                raise(SIGKILL);
        return SQLITE_IOERR_WRITE;
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
        sqlite3_file *real = real_of(file);
        enum fault_kind kind;

        if (!must_fail(CALL_TRUNCATE, &kind))
                return real->pMethods->xTruncate(real, size);
        if (kind == FAULT_KILL)
                raise(SIGKILL);
        return SQLITE_IOERR_TRUNCATE;
}

static int fault_sync(sqlite3_file *file, int flags)
{
        sqlite3_file *real = real_of(file);
        enum fault_kind kind;

        if (!must_fail(CALL_SYNC, &kind))
                return real->pMethods->xSync(real, flags);
        if (kind == FAULT_KILL)
                raise(SIGKILL);
        return SQLITE_IOERR_FSYNC;
}

static int fault_close(sqlite3_file *file)
{
        sqlite3_file *real = real_of(file);

        return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int fault_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 at)
{
        return real_of(file)->pMethods->xRead(real_of(file), bytes, size, at);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
        return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int fault_lock(sqlite3_file *file, int level)
{
        return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
        return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int fault_reserved(sqlite3_file *file, int *ret_reserved)
{
        return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_reserved);
}

static int fault_control(sqlite3_file *file, int what, void *arg)
{
        return real_of(file)->pMethods->xFileControl(real_of(file), what, arg);
}

static int fault_sector(sqlite3_file *file)
{
        return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int fault_characteristics(sqlite3_file *file)
{
        return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret_map)
{
        return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret_map);
}

static int fault_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
        return real_of(file)->pMethods->xShmLock(real_of(file), at, n, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
        real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
        return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
        struct fault_file *ours = (struct fault_file *)file;
        int status;

        (void)vfs;
        ours->real = (sqlite3_file *)(ours + 1);
        status = real_vfs->xOpen(real_vfs, name, ours->real, flags, ret_flags);
        ours->base.pMethods = ours->real->pMethods ? &fault_methods : NULL;
        return status;
}

static void read_environment(void)
{
        static const struct {
                const char *name;
                enum fault_kind kind;
        } kinds[] = {{"full", FAULT_FULL},
                     {"write", FAULT_WRITE},
                     {"sync", FAULT_SYNC},
                     {"io", FAULT_IO},
                     {"kill", FAULT_KILL}};
        struct str rest = str_from(getenv("COUNTERSIGN_STORE_FAULT"));
        struct str kind, number;
        uint64_t nth;

        if (rest.len == 0 || !str_cut(&rest, '@', &kind))
                return;
        str_cut(&rest, ',', &number);
        if (!str_to_u64(number, &nth))
                return;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                if (str_is(kind, kinds[i].name))
                        sqlite_fault_set(kinds[i].kind, nth, str_is(rest, "once"));
        }
}

static void set_up(void)
{
        real_vfs = sqlite3_vfs_find(NULL);
        fault_vfs = *real_vfs; /* opening is ours; deleting, time and the rest are the system's */
        fault_vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
        fault_vfs.zName = "fault";
        fault_vfs.xOpen = fault_open;
        fault_methods = (sqlite3_io_methods){
                .iVersion = 2, /* without memory-mapped files */
                .xClose = fault_close,
                .xRead = fault_read,
                .xWrite = fault_write,
                .xTruncate = fault_truncate,
                .xSync = fault_sync,
                .xFileSize = fault_size,
                .xLock = fault_lock,
                .xUnlock = fault_unlock,
                .xCheckReservedLock = fault_reserved,
                .xFileControl = fault_control,
                .xSectorSize = fault_sector,
                .xDeviceCharacteristics = fault_characteristics,
                .xShmMap = fault_shm_map,
                .xShmLock = fault_shm_lock,
                .xShmBarrier = fault_shm_barrier,
                .xShmUnmap = fault_shm_unmap,
        };
        sqlite3_vfs_register(&fault_vfs, 0);
        read_environment();
}

const char *sqlite_fault_vfs(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, set_up);
        return "fault";
}

#endif
