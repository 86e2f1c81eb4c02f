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
enum { CHECKSUM_DIGITS = 8, LINE_OVERHEAD = CHECKSUM_DIGITS + 2 };

static const struct journal_io real_io = {.write = write, .fsync = fsync, .ftruncate = ftruncate};

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

static bool write_all(struct journal_file *file, struct str bytes, struct err *err)
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
static bool scan(const struct journal_file *file, struct str bytes, journal_line_fn fn, void *arg,
                 size_t *ret_end, struct err *err)
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
        if (!file_prepare(file, dir, io, err))
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

bool journal_file_append(struct journal_file *file, struct str text, struct err *err)
{
        if (file->broken)
                return err_set(err, ERR_STORE_FAILED,
                               "the journal %s could not be written earlier; start the executor again",
                               file->path);
        if (text.len > JOURNAL_LINE_MAX_BYTES || str_find(text, '\n') >= 0)
                return err_set(err, ERR_INTERNAL, "a journal line of %zu bytes cannot be written", text.len);
        buf_reset(&file->line);
        buf_printf(&file->line, "%08x ", crc32c(text));
        buf_append_str(&file->line, text);
        buf_append_char(&file->line, '\n');
        if (!buf_check(&file->line, "a journal line", err))
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
