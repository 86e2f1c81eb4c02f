/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/journal_file.h"

#include "base/test_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct str HEADER = STR("countersign-journal/1\n");
enum { CHECKSUM_DIGITS = 8, LINE_OVERHEAD = CHECKSUM_DIGITS + 2, JOURNAL_PATH_SIZE = 520 };

_Static_assert(sizeof("countersign-journal/1\n") - 1 == JOURNAL_HEADER_BYTES, "the first line");

static const struct journal_io real_io = {
        .write = write, .fsync = fsync, .ftruncate = ftruncate, .rename = rename};

uint32_t crc32c(struct str bytes)
{
        uint32_t crc = 0xffffffff;

        for (size_t i = 0; i < bytes.len; i++) {
                crc ^= (unsigned char)bytes.ptr[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (0x82f63b78 & (0U - (crc & 1)));
        }
        return ~crc;
}

static bool write_bytes(struct journal_file *file, struct str bytes, struct err *err)
{
        while (bytes.len > 0) {
                ssize_t n = file->io->write(file->fd, bytes.ptr, bytes.len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return err_set_errno(err, ERR_STORE_FAILED, n < 0 ? errno : ENOSPC,
                                             "cannot write the journal %s", file->path);
                bytes = str_slice(bytes, (size_t)n, bytes.len);
        }
        return true;
}

static bool write_all(struct journal_file *file, struct str bytes, struct err *err)
{
        if (!write_bytes(file, bytes, err))
                return false;
        if (file->io->fsync(file->fd) < 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "cannot make the journal %s durable",
                                     file->path);
        return true;
}

static bool sync_folder(const char *dir, const struct journal_io *io, struct err *err)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool ok;

        if (fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot open %s", dir);
        ok = io->fsync(fd) == 0;
        if (!ok)
                err_set_errno(err, ERR_STORE_FAILED, errno, "cannot make %s durable", dir);
        close(fd);
        return ok;
}

static bool file_prepare(struct journal_file *file, const char *dir, const struct journal_io *io,
                         struct err *err)
{
        int len = snprintf(file->path, sizeof(file->path), "%s/journal", dir);

        if (len < 0 || (size_t)len >= sizeof(file->path))
                return err_set(err, ERR_CONFIG, "the state folder's path is too long: %s", dir);
        file->fd = -1;
        file->length = 0;
        file->broken = false;
        file->io = io ? io : &real_io;
        buf_init(&file->line, JOURNAL_LINE_MAX_BYTES + LINE_OVERHEAD);
        return true;
}

bool journal_file_create(const char *dir, const struct journal_io *io, struct err *err)
{
        struct journal_file file;
        bool ok;

        if (!file_prepare(&file, dir, io, err))
                return false;
        file.fd = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file.fd < 0)
                return err_set_errno(err, errno == EEXIST ? ERR_ALREADY_EXISTS : ERR_SYSTEM, errno,
                                     "cannot make the journal %s", file.path);
        ok = write_all(&file, HEADER, err) && sync_folder(dir, file.io, err);
        if (!ok)
                unlink(file.path);
        journal_file_close(&file);
        return ok;
}

static bool still_good(const struct journal_file *file, struct err *err)
{
        return !file->broken ||
               err_set(err, ERR_STORE_FAILED,
                       "the journal %s could not be written earlier; start the executor again", file->path);
}

static bool fresh_path(const struct journal_file *file, char ret[JOURNAL_PATH_SIZE], struct err *err)
{
        int len = snprintf(ret, JOURNAL_PATH_SIZE, "%s.new", file->path);

        return (len > 0 && len < JOURNAL_PATH_SIZE) ||
               err_set(err, ERR_CONFIG, "the state folder's path is too long: %s", file->path);
}

/* What a process that was killed in the middle has left. Nobody relied on it. */
static bool remove_fresh(const struct journal_file *file, struct err *err)
{
        char path[JOURNAL_PATH_SIZE];

        if (!fresh_path(file, path, err))
                return false;
        return unlink(path) == 0 || errno == ENOENT ||
               err_set_errno(err, ERR_SYSTEM, errno, "cannot remove %s", path);
}

static bool damaged(const struct journal_file *file, size_t at, unsigned number, const char *what,
                    struct err *err)
{
        return err_set(err, ERR_STORE_FAILED,
                       "the journal %s is damaged at byte %zu (line %u): %s. Without it actions could run "
                       "twice, so nothing is run. Put the whole state folder back from a backup, or move it "
                       "away and enrol this executor anew",
                       file->path, at, number, what);
}

static bool line_checksum_fits(struct str line)
{
        char digits[CHECKSUM_DIGITS + 1];

        if (line.len < CHECKSUM_DIGITS + 1 || line.ptr[CHECKSUM_DIGITS] != ' ')
                return false;
        snprintf(digits, sizeof(digits), "%08x", crc32c(str_slice(line, CHECKSUM_DIGITS + 1, line.len)));
        return memcmp(digits, line.ptr, CHECKSUM_DIGITS) == 0;
}

/* Reads all whole lines; *ret_end is where the last one ends. */
static bool scan(struct journal_file *file, struct str bytes, journal_line_fn fn, void *arg, size_t *ret_end,
                 struct err *err)
{
        size_t at = HEADER.len;
        unsigned number = 1;

        while (at < bytes.len) {
                struct str rest = str_slice(bytes, at, bytes.len);
                ptrdiff_t len = str_find(rest, '\n');
                struct str line = str_slice(rest, 0, len < 0 ? rest.len : (size_t)len);

                number++;
                /* A torn line is a beginning of one, and so no longer than one can be. */
                if (line.len > JOURNAL_LINE_MAX_BYTES + LINE_OVERHEAD)
                        return damaged(file, at, number, "the line is longer than any we write", err);
                /* Torn means cut off. A whole line whose end is another byte was changed afterwards. */
                if (len < 0 && line_checksum_fits(str_slice(line, 0, line.len - 1)))
                        return damaged(file, at, number, "its end is not a line's end", err);
                if (len < 0)
                        break;
                if (!line_checksum_fits(line))
                        return damaged(file, at, number, "its checksum does not fit", err);
                file->length = (off_t)(at + line.len + 1);
                if (!fn(arg, str_slice(line, CHECKSUM_DIGITS + 1, line.len), number, err))
                        return err_prefix(err, "the journal %s, line %u", file->path, number);
                at += line.len + 1;
        }
        *ret_end = at;
        return true;
}

/* Takes away a last line that was never finished. */
static bool mend_end(struct journal_file *file, size_t end, size_t size, struct err *err)
{
        if (end == size)
                return true;
        if (file->io->ftruncate(file->fd, (off_t)end) < 0 || file->io->fsync(file->fd) < 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno,
                                     "cannot take an unfinished line off the journal %s", file->path);
        return true;
}

static bool read_all(struct journal_file *file, journal_line_fn fn, void *arg, struct err *err)
{
        struct stat st;
        void *map;
        size_t size, end = 0;
        bool ok;

        if (fstat(file->fd, &st) < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot read %s", file->path);
        size = (size_t)st.st_size;
        if (size < HEADER.len)
                return damaged(file, 0, 1, "it is shorter than its first line", err);
        map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file->fd, 0);
        if (map == MAP_FAILED)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot read %s", file->path);
        if (str_starts(str_make(map, size), HEADER))
                ok = scan(file, str_make(map, size), fn, arg, &end, err);
        else
                ok = damaged(file, 0, 1, "it does not begin as a journal", err);
        munmap(map, size);
        if (!ok || !mend_end(file, end, size, err))
                return false;
        file->length = (off_t)end;
        if (lseek(file->fd, file->length, SEEK_SET) < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot read %s", file->path);
        return true;
}

bool journal_file_open(struct journal_file *file, const char *dir, const struct journal_io *io,
                       journal_line_fn fn, void *arg, struct err *err)
{
        if (!file_prepare(file, dir, io, err) || !remove_fresh(file, err))
                return false;
        file->fd = open(file->path, O_RDWR | O_CLOEXEC);
        if (file->fd < 0) {
                if (errno == ENOENT)
                        return err_set(err, ERR_STORE_FAILED,
                                       "the journal %s is missing, though the executor is enrolled. Without "
                                       "it actions could run twice, so nothing is run. Put the whole state "
                                       "folder back from a backup, or move it away and enrol this executor "
                                       "anew",
                                       file->path);
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot open the journal %s", file->path);
        }
        /* What a crash left in the page cache only must be durable before anybody relies on it. */
        if (!read_all(file, fn, arg, err)) {
                journal_file_close(file);
                return false;
        }
        if (file->io->fsync(file->fd) < 0 || !sync_folder(dir, file->io, err)) {
                err_set_errno(err, ERR_STORE_FAILED, errno, "cannot make the journal %s durable",
                              file->path);
                journal_file_close(file);
                return false;
        }
        return true;
}

void journal_file_close(struct journal_file *file)
{
        if (file->fd >= 0)
                close(file->fd);
        file->fd = -1;
        buf_done(&file->line);
}

static bool line_make(struct journal_file *file, struct str text, struct err *err)
{
        if (text.len > JOURNAL_LINE_MAX_BYTES || str_find(text, '\n') >= 0)
                return err_set(err, ERR_INTERNAL, "a journal line of %zu bytes cannot be written", text.len);
        buf_reset(&file->line);
        buf_printf(&file->line, "%08x ", crc32c(text));
        buf_append_str(&file->line, text);
        buf_append_char(&file->line, '\n');
        return buf_check(&file->line, "a journal line", err);
}

bool journal_file_append(struct journal_file *file, struct str text, struct err *err)
{
        if (!still_good(file, err) || !line_make(file, text, err))
                return false;
        test_step("journal write");
        if (!write_all(file, buf_str(&file->line), err)) {
                /*
                 * The line may be there in part, or not durable. It is taken away where
                 * that is possible; where not, the next start finds it torn or whole.
                 */
                file->broken = true;
                if (file->io->ftruncate(file->fd, file->length) == 0)
                        (void)file->io->fsync(file->fd);
                return false;
        }
        file->length += (off_t)file->line.len;
        test_step("journal durable");
        return true;
}

/* ---- a new file in its place ------------------------------------------------------------------- */

bool journal_file_put(struct journal_file *fresh, struct str text, struct err *err)
{
        if (!line_make(fresh, text, err) || !write_bytes(fresh, buf_str(&fresh->line), err))
                return false;
        fresh->length += (off_t)fresh->line.len;
        return true;
}

/* The first `keep` bytes are whole lines already. */
static bool copy_head(const struct journal_file *file, off_t keep, struct journal_file *fresh,
                      struct err *err)
{
        void *map = mmap(NULL, (size_t)keep, PROT_READ, MAP_PRIVATE, file->fd, 0);
        bool ok;

        if (map == MAP_FAILED)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot read %s", file->path);
        ok = write_bytes(fresh, str_make(map, (size_t)keep), err);
        munmap(map, (size_t)keep);
        fresh->length = keep;
        return ok;
}

static bool fill_fresh(const struct journal_file *file, off_t keep, journal_fill_fn fill, void *arg,
                       struct journal_file *fresh, struct err *err)
{
        if (!copy_head(file, keep, fresh, err))
                return false;
        test_step("new journal begun");
        if (!fill(arg, fresh, err))
                return false;
        test_step("new journal written");
        if (fresh->io->fsync(fresh->fd) < 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "cannot make the journal %s durable",
                                     fresh->path);
        test_step("new journal durable");
        return true;
}

/*
 * So that what was erased is not in the freed blocks either, as far as the file
 * system and the disk write in place. Best effort: the file is gone already.
 */
static void wipe_old(const struct journal_file *old, off_t from)
{
        static const char zeros[4096];

        while (from < old->length) {
                off_t left = old->length - from;
                ssize_t n = pwrite(old->fd, zeros,
                                   left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros), from);

                if (n <= 0)
                        return;
                from += n;
        }
        (void)fsync(old->fd);
}

/* The folder of "…/journal". */
static bool sync_folder_of(const struct journal_file *file, struct err *err)
{
        char dir[JOURNAL_PATH_SIZE];

        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(file->path, '/') - file->path), file->path);
        return sync_folder(dir, file->io, err);
}

static bool take_place(struct journal_file *file, const char *path, struct journal_file *fresh, off_t keep,
                       struct err *err)
{
        struct journal_file old = {.fd = file->fd, .length = file->length};

        if (file->io->rename(path, file->path) < 0)
                return err_set_errno(err, ERR_STORE_FAILED, errno, "cannot put %s in its place", path);
        test_step("new journal in place");
        file->fd = fresh->fd;
        file->length = fresh->length;
        fresh->fd = -1;
        /* Which of the two is there after a power cut is open now: nothing may be written to either. */
        file->broken = !sync_folder_of(file, err);
        test_step("new journal's place durable");
        if (!file->broken)
                wipe_old(&old, keep);
        close(old.fd);
        test_step("old journal wiped");
        return !file->broken;
}

bool journal_file_replace(struct journal_file *file, off_t keep, journal_fill_fn fill, void *arg,
                          struct err *err)
{
        struct journal_file fresh = {.fd = -1, .io = file->io};
        char path[JOURNAL_PATH_SIZE];
        bool ok;

        if (!still_good(file, err) || !fresh_path(file, path, err) || !remove_fresh(file, err))
                return false;
        memcpy(fresh.path, file->path, sizeof(fresh.path));
        fresh.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fresh.fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot make %s", path);
        buf_init(&fresh.line, JOURNAL_LINE_MAX_BYTES + LINE_OVERHEAD);
        ok = fill_fresh(file, keep, fill, arg, &fresh, err) && take_place(file, path, &fresh, keep, err);
        if (fresh.fd >= 0)
                (void)unlink(path);
        journal_file_close(&fresh);
        return ok;
}
