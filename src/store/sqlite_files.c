/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite.h"
#include "store/sqlite_fault.h"

#include "base/heap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAP = 4096 };

static const char suffix[] = ".db";

static void fd_closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static void dir_closep(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

static int configure_status = SQLITE_OK;

#ifdef COUNTERSIGN_TEST_HOOKS
#include <malloc.h>

/* SQLite's memory through our door, so that tests can fail it as well. */
static void *hooked_alloc(int size)
{
        return heap_alloc((size_t)size);
}

static void *hooked_realloc(void *ptr, int size)
{
        return heap_realloc(ptr, (size_t)size);
}

static int hooked_size(void *ptr)
{
        return ptr ? (int)malloc_usable_size(ptr) : 0;
}

static int hooked_round(int size)
{
        return (size + 7) & ~7;
}

static int hooked_start(void *data)
{
        (void)data;
        return SQLITE_OK;
}

static void hooked_stop(void *data)
{
        (void)data;
}

static int configure_memory(void)
{
        static sqlite3_mem_methods methods = {hooked_alloc, heap_free,    hooked_realloc, hooked_size,
                                              hooked_round, hooked_start, hooked_stop,    NULL};
        return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
#else
static int configure_memory(void)
{
        return SQLITE_OK;
}

const char *sqlite_fault_vfs(void)
{
        return NULL;
}
#endif

/* Once for the process: memory for a few hot cells, not for a hundred thousand idle ones. */
static void configure_process(void)
{
        int status = sqlite3_config(SQLITE_CONFIG_MULTITHREAD);

        if (status == SQLITE_OK)
                status = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a lock at every allocation */
        if (status == SQLITE_OK)
                status = sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
        if (status == SQLITE_OK)
                status = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 32);
        if (status == SQLITE_OK)
                status = configure_memory();
        if (status == SQLITE_OK)
                status = sqlite3_initialize();
        configure_status = status;
}

static bool make_folder(const char *path, struct err *err)
{
        if (mkdir(path, 0700) == 0 || errno == EEXIST)
                return true;
        return err_set_errno(err, ERR_STORE_FAILED, errno, "the data folder cannot be made");
}

bool sqlite_sync_folder(const char *path, struct err *err)
{
        __attribute__((cleanup(fd_closep))) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || !sqlite_fault_pass(true) || fsync(fd) != 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "a folder of the store cannot be synced");
        return true;
}

static bool fail_file(const char *what, struct err *err)
{
        return err_set_errno(err, errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_STORE_FAILED,
                             errno, "%s", what);
}

static bool write_file(const char *path, const struct template *template, struct err *err)
{
        __attribute__((cleanup(fd_closep))) int fd =
                open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return fail_file("a new file cannot be made", err);
        for (size_t done = 0; done < template->size_bytes;) {
                if (!sqlite_fault_pass(false))
                        return fail_file("a new file cannot be written", err);
                ssize_t written = write(fd, template->bytes + done, template->size_bytes - done);
                if (written < 0 && errno != EINTR)
                        return fail_file("a new file cannot be written", err);
                done += written > 0 ? (size_t)written : 0;
        }
        return (sqlite_fault_pass(true) && fsync(fd) == 0) || fail_file("a new file cannot be synced", err);
}

/* A file appears whole or not at all: it is named when it is synced, and never takes another's place. */
static bool create_file(const char *folder, const char *path, const struct template *template,
                        struct err *err)
{
        char partial[PATH_CAP];
        bool ok;

        snprintf(partial, sizeof(partial), "%s.%d.new", path, (int)gettid());
        ok = write_file(partial, template, err);
        if (ok && renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
                ok = errno == EEXIST ? err_set(err, ERR_ALREADY_EXISTS, "this cell exists already")
                                     : fail_file("a new file cannot be named", err);
        }
        if (!ok)
                unlink(partial);
        return ok && sqlite_sync_folder(folder, err);
}

static bool take_lock(struct driver_state *state, struct err *err)
{
        char path[PATH_CAP];

        snprintf(path, sizeof(path), "%s/lock", state->folder);
        state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (state->lock_fd < 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "the data folder cannot be locked");
        if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return true;
        if (errno == EWOULDBLOCK)
                return err_set(err, ERR_STORE_BUSY,
                               "another process uses this data folder; stop it, or choose another folder");
        return err_set_errno(err, ERR_STORE_FAILED, errno, "the data folder cannot be locked");
}

static bool make_directory(struct driver_state *state, struct err *err)
{
        _cleanup_(heap_freep) char *path = sqlite_path(state, &CELL_DIRECTORY, err);
        struct template template;
        bool ok;

        if (!path)
                return false;
        if (access(path, F_OK) == 0)
                return true;
        if (!sqlite_template(state, &CELL_DIRECTORY, &template, err))
                return false;
        ok = create_file(state->folder, path, &template, err);
        sqlite3_free(template.bytes);
        return ok;
}

bool sqlite_process_start(struct err *err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, configure_process);
        return configure_status == SQLITE_OK || sqlite_fail(NULL, configure_status, "starting SQLite", err);
}

bool sqlite_start(const struct store_options *options, struct driver_state **ret_state, struct err *err)
{
        struct driver_state *state;
        char cells[PATH_CAP];

        if (!sqlite_process_start(err))
                return false;
        if (strlen(options->folder) > PATH_CAP / 2)
                return err_set(err, ERR_CONFIG, "the data folder's path is too long");
        state = heap_alloc_zeroed(1, sizeof(*state));
        if (!state)
                return err_set(err, ERR_NO_MEMORY, "no memory for the store");
        pthread_mutex_init(&state->template_lock, NULL);
        state->lock_fd = -1;
        state->busy_timeout_ms = options->busy_timeout_ms ? options->busy_timeout_ms : 2000;
        state->cache_kib = options->cache_kib ? options->cache_kib : 1024;
        state->moves_cells = options->moves_cells;
        state->folder = heap_alloc(strlen(options->folder) + 1);
        if (!state->folder) {
                sqlite_stop(state);
                return err_set(err, ERR_NO_MEMORY, "no memory for the store");
        }
        memcpy(state->folder, options->folder, strlen(options->folder) + 1);
        snprintf(cells, sizeof(cells), "%s/cells", state->folder);
        if (!make_folder(state->folder, err) || !take_lock(state, err) || !make_folder(cells, err) ||
            !make_directory(state, err)) {
                sqlite_stop(state);
                return false;
        }
        *ret_state = state;
        return true;
}

void sqlite_stop(struct driver_state *state)
{
        if (!state)
                return;
        fd_closep(&state->lock_fd);
        sqlite3_free(state->cell_template.bytes);
        pthread_mutex_destroy(&state->template_lock);
        heap_free(state->folder);
        heap_free(state);
}

char *sqlite_path(const struct driver_state *state, const struct cell_ref *cell, struct err *err)
{
        char *path = heap_alloc(PATH_CAP);

        if (!path) {
                err_set(err, ERR_NO_MEMORY, "no memory for a path");
                return NULL;
        }
        if (cell->tenant.len == 0)
                snprintf(path, PATH_CAP, "%s/directory%s", state->folder, suffix);
        else
                snprintf(path, PATH_CAP, "%s/cells/%.*s/%.*s%s", state->folder, STR_ARG(cell->region),
                         STR_ARG(cell->tenant), suffix);
        if (state->moves_cells && cell->tenant.len > 0)
                sqlite_path_arriving(path, PATH_CAP);
        return path;
}

/* The template is built once: the last of ten thousand cells costs what the second did. */
static bool cell_template(struct driver_state *state, const struct cell_ref *cell,
                          struct template *ret_template, struct err *err)
{
        bool ok = true;

        pthread_mutex_lock(&state->template_lock);
        if (!state->cell_template.bytes)
                ok = sqlite_template(state, cell, &state->cell_template, err);
        *ret_template = state->cell_template;
        pthread_mutex_unlock(&state->template_lock);
        return ok;
}

bool sqlite_cell_write(struct driver_state *state, const struct cell_ref *cell, const char *path,
                       struct err *err)
{
        struct template template;
        char folder[PATH_CAP], cells[PATH_CAP];

        snprintf(cells, sizeof(cells), "%s/cells", state->folder);
        snprintf(folder, sizeof(folder), "%s/cells/%.*s", state->folder, STR_ARG(cell->region));
        if (access(folder, F_OK) != 0 && (!make_folder(folder, err) || !sqlite_sync_folder(cells, err)))
                return false;
        return cell_template(state, cell, &template, err) && create_file(folder, path, &template, err);
}

bool sqlite_cell_create(struct driver_state *state, const struct cell_ref *cell, struct err *err)
{
        _cleanup_(heap_freep) char *path = sqlite_path(state, cell, err);

        return path && sqlite_cell_write(state, cell, path, err);
}

bool sqlite_cell_list(struct driver_state *state, struct str region,
                      bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                      struct err *err)
{
        __attribute__((cleanup(dir_closep))) DIR *dir = NULL;
        const struct dirent *entry;
        char folder[PATH_CAP];

        snprintf(folder, sizeof(folder), "%s/cells/%.*s", state->folder, STR_ARG(region));
        dir = opendir(folder);
        if (!dir && errno == ENOENT)
                return true;
        if (!dir)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "the cells cannot be listed");
        for (errno = 0; (entry = readdir(dir)); errno = 0) {
                struct str name = str_from(entry->d_name);
                if (!str_ends(name, str_from(suffix)))
                        continue;
                const struct cell_ref cell = {str_slice(name, 0, name.len - (sizeof(suffix) - 1)), region};
                if (!fn(&cell, arg, err))
                        return false;
        }
        return errno == 0 || err_set_errno(err, ERR_STORE_FAILED, errno, "the cells cannot be listed");
}

static bool copy_database(struct sqlite_conn *to, void *arg, struct err *err)
{
        struct sqlite_conn *from = arg;
        sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
        int status;

        if (!backup)
                return sqlite_fail(to->db, sqlite3_errcode(to->db), "copying", err);
        /* All pages in one step: one snapshot, and the writer goes on beside it. */
        sqlite3_backup_step(backup, -1);
        status = sqlite3_backup_finish(backup);
        return status == SQLITE_OK || sqlite_fail(to->db, status, "copying", err);
}

/* Fills a file of its own name beside the wanted one, which then gets its name. */
static bool file_fill(struct driver_state *state, const struct cell_ref *cell, const char *partial,
                      const char *path, sqlite_fill fill, void *arg, struct err *err)
{
        __attribute__((cleanup(fd_closep))) int fd = -1;
        struct sqlite_conn *to;
        bool ok;

        if (!sqlite_conn_open(state, cell, partial, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &to, err))
                return false;
        ok = fill(to, arg, err);
        sqlite_conn_close(&to->base);
        if (!ok)
                return false;
        fd = open(partial, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fchmod(fd, 0600) != 0 || fsync(fd) != 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "the copy cannot be synced");
        if (link(partial, path) != 0) {
                if (errno == EEXIST)
                        return err_set(err, ERR_ALREADY_EXISTS, "the copy's file exists already");
                return err_set_errno(err, ERR_STORE_FAILED, errno, "the copy cannot be named");
        }
        return true;
}

bool sqlite_file_make(struct driver_state *state, const struct cell_ref *cell, const char *path,
                      sqlite_fill fill, void *arg, struct err *err)
{
        char partial[PATH_CAP], folder[PATH_CAP];
        const char *slash = strrchr(path, '/');
        bool ok;

        if (strlen(path) > PATH_CAP / 2)
                return err_set(err, ERR_BAD_PARAMETER, "the copy's path is too long");
        snprintf(partial, sizeof(partial), "%s.partial", path);
        snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
        unlink(partial);
        ok = file_fill(state, cell, partial, path, fill, arg, err);
        unlink(partial);
        return ok && sqlite_sync_folder(folder, err);
}

bool sqlite_snapshot(struct driver_state *state, const struct cell_ref *cell, const char *path,
                     struct err *err)
{
        _cleanup_(heap_freep) char *source = sqlite_path(state, cell, err);
        struct sqlite_conn *from;
        bool ok;

        if (!source || !sqlite_conn_open(state, cell, source, SQLITE_OPEN_READWRITE, &from, err))
                return false;
        ok = sqlite_file_make(state, &CELL_DIRECTORY, path, copy_database, from, err);
        sqlite_conn_close(&from->base);
        return ok;
}
