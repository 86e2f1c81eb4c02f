/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a cell stands, told by the names of files beside its own, T.db:
 *
 *   T.db                           active
 *   T.db and T.db.moving           moving away
 *   T.db.arriving and T.db.arrived arriving
 *   T.db and T.db.arrived          active, the move that brought it has not ended
 *   T.db.moved                     moved away
 *
 * The two marks hold the move's id. Each step is one rename or unlink; what a
 * step leaves behind when it is cut off is removed by the next arrival.
 */
#include "store/sqlite.h"

#include "base/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_CAP = 4096 };

/* The files of one cell, and their folder. */
struct places {
        char folder[PATH_CAP];
        char cell[PATH_CAP];
        char moving[PATH_CAP + 16], arriving[PATH_CAP + 16], arrived[PATH_CAP + 16], moved[PATH_CAP + 16];
};

static void places_of(const struct driver_state *state, const struct cell_ref *cell, struct places *ret)
{
        (void)snprintf(ret->folder, sizeof(ret->folder), "%s/cells/%.*s", state->folder,
                       STR_ARG(cell->region));
        (void)snprintf(ret->cell, sizeof(ret->cell), "%s/cells/%.*s/%.*s.db", state->folder,
                       STR_ARG(cell->region), STR_ARG(cell->tenant));
        (void)snprintf(ret->moving, sizeof(ret->moving), "%s.moving", ret->cell);
        (void)snprintf(ret->arriving, sizeof(ret->arriving), "%s.arriving", ret->cell);
        (void)snprintf(ret->arrived, sizeof(ret->arrived), "%s.arrived", ret->cell);
        (void)snprintf(ret->moved, sizeof(ret->moved), "%s.moved", ret->cell);
}

static bool exists(const char *path)
{
        return access(path, F_OK) == 0;
}

bool sqlite_is_moving(const char *path)
{
        char mark[PATH_CAP + 16];

        (void)snprintf(mark, sizeof(mark), "%s.moving", path);
        return exists(mark);
}

void sqlite_path_arriving(char *path, size_t path_size_bytes)
{
        char arriving[PATH_CAP + 16];

        (void)snprintf(arriving, sizeof(arriving), "%s.arriving", path);
        if (!exists(path) && exists(arriving))
                (void)snprintf(path, path_size_bytes, "%s", arriving);
}

static bool fail(const char *what, struct err *err)
{
        return err_set_errno(err, errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL : ERR_STORE_FAILED,
                             errno, "%s", what);
}

static bool write_mark(const struct places *places, const char *path, const char *move, struct err *err)
{
        char partial[PATH_CAP + 32];
        size_t len = strlen(move);
        bool ok;
        int fd;

        (void)snprintf(partial, sizeof(partial), "%s.new", path);
        fd = open(partial, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return fail("the mark of a move cannot be made", err);
        ok = write(fd, move, len) == (ssize_t)len && fsync(fd) == 0;
        if (close(fd) != 0 || !ok || rename(partial, path) != 0)
                return fail("the mark of a move cannot be written", err);
        return sqlite_sync_folder(places->folder, err);
}

static bool read_mark(const char *path, char move[CELL_MOVE_MAX + 1], struct err *err)
{
        ssize_t len;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        move[0] = '\0';
        if (fd < 0 && errno == ENOENT)
                return true;
        len = fd >= 0 ? read(fd, move, CELL_MOVE_MAX) : -1;
        if (fd >= 0)
                close(fd);
        if (len < 0)
                return fail("the mark of a move cannot be read", err);
        move[len] = '\0';
        return true;
}

bool sqlite_stand(struct driver_state *state, const struct cell_ref *cell, struct cell_stand *ret_stand,
                  struct err *err)
{
        struct places places;

        places_of(state, cell, &places);
        *ret_stand = (struct cell_stand){.standing = CELL_ABSENT};
        if (exists(places.cell) && exists(places.moving)) {
                ret_stand->standing = CELL_MOVING;
                return read_mark(places.moving, ret_stand->move, err);
        }
        if (exists(places.cell)) {
                ret_stand->standing = CELL_ACTIVE;
                return read_mark(places.arrived, ret_stand->move, err);
        }
        if (exists(places.arriving) && exists(places.arrived)) {
                ret_stand->standing = CELL_ARRIVING;
                return read_mark(places.arrived, ret_stand->move, err);
        }
        if (exists(places.moved))
                ret_stand->standing = CELL_MOVED;
        return true;
}

static bool drop(const char *path, struct err *err)
{
        return unlink(path) == 0 || errno == ENOENT || fail("a file of a cell cannot be removed", err);
}

/* A database, and what SQLite keeps beside it. */
static bool drop_database(const char *path, struct err *err)
{
        static const char *const kinds[] = {"-wal", "-shm", "-journal"};
        char beside[PATH_CAP + 32];

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                (void)snprintf(beside, sizeof(beside), "%s%s", path, kinds[i]);
                if (!drop(beside, err))
                        return false;
        }
        return drop(path, err);
}

/* Takes the write-ahead log into the file, so that the file alone is the cell. */
static bool settle(struct driver_state *state, const struct cell_ref *cell, const char *path,
                   struct err *err)
{
        struct sqlite_conn *conn;
        bool ok;

        if (!sqlite_conn_open(state, cell, path, SQLITE_OPEN_READWRITE, &conn, err))
                return false;
        ok = sqlite_execute(conn, "PRAGMA wal_checkpoint(TRUNCATE)", "taking in the log", err);
        sqlite_conn_close(&conn->base);
        return ok;
}

static bool name(const struct places *places, const char *from, const char *to, struct err *err)
{
        return rename(from, to) == 0 ? sqlite_sync_folder(places->folder, err)
                                     : fail("a file of a cell cannot be named", err);
}

static bool arrive(struct driver_state *state, const struct cell_ref *cell, const struct places *places,
                   const char *move, struct err *err)
{
        return drop(places->moving, err) && drop(places->arrived, err) &&
               drop_database(places->arriving, err) &&
               sqlite_cell_write(state, cell, places->arriving, err) &&
               write_mark(places, places->arrived, move, err);
}

static bool activate(struct driver_state *state, const struct cell_ref *cell, const struct places *places,
                     const struct cell_stand *was, const char *move, struct err *err)
{
        if (was->standing == CELL_ARRIVING)
                return settle(state, cell, places->arriving, err) && drop_database(places->moved, err) &&
                       name(places, places->arriving, places->cell, err);
        /* Back from moving, or the move has ended. */
        return drop(places->moving, err) && (*move || drop(places->arrived, err)) &&
               sqlite_sync_folder(places->folder, err);
}

static bool leave(struct driver_state *state, const struct cell_ref *cell, const struct places *places,
                  struct err *err)
{
        return settle(state, cell, places->cell, err) && name(places, places->cell, places->moved, err) &&
               drop(places->moving, err) && drop(places->arrived, err);
}

bool sqlite_set_stand(struct driver_state *state, const struct cell_ref *cell, const struct cell_stand *was,
                      const struct cell_stand *stand, struct err *err)
{
        struct cell_stand now;
        struct places places;

        places_of(state, cell, &places);
        if (!sqlite_stand(state, cell, &now, err))
                return false;
        if (now.standing != was->standing || strcmp(now.move, was->move) != 0)
                return err_set(err, ERR_STORE_CONFLICT, "the cell was moved by somebody else meanwhile");
        switch (stand->standing) {
        case CELL_ACTIVE:
                return activate(state, cell, &places, was, stand->move, err);
        case CELL_MOVING:
                return write_mark(&places, places.moving, stand->move, err);
        case CELL_ARRIVING:
                return arrive(state, cell, &places, stand->move, err);
        case CELL_MOVED:
                return leave(state, cell, &places, err);
        case CELL_ABSENT:
                return drop(places.arrived, err) && drop_database(places.arriving, err) &&
                       drop_database(places.moved, err) && sqlite_sync_folder(places.folder, err);
        }
        return err_set(err, ERR_INTERNAL, "a cell cannot stand like that");
}
