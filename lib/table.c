#include "lib/table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <skalibs/bytestr.h>
#include <skalibs/uint32.h>

#include "lib/table_compile.h"
#include "lib/table_file.h"

#define SMALL (16u << 10) /* bytes of a cdb, which has 2 KiB without an entry */

/* True when every later write to the file must show in its change time: the file system's clock,
 * which this one is, has gone on since. Otherwise a second write within the same tick would go
 * unnoticed, and an old cdb be used for a new file. */
static bool is_settled(struct stat const *status)
{
    struct timespec now;
    time_t seconds = status->st_ctim.tv_sec;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
        return false;
    if (status->st_ctim.tv_nsec == 0) /* perhaps a file system that counts whole seconds, or two */
        return now.tv_sec > seconds + 2;
    return now.tv_sec > seconds || (now.tv_sec == seconds && now.tv_nsec > status->st_ctim.tv_nsec);
}

/* True when the control file is still the one that was BEFORE. */
static bool is_unchanged(struct control const *control, char const *name,
                         struct table_stamp const *before)
{
    struct stat status;
    struct table_stamp stamp;
    if (fstatat(control->directory, name, &status, 0) < 0)
        return false;
    table_stamp_make(&stamp, &status);
    return !memcmp(&stamp, before, sizeof stamp);
}

/* Each mapping costs every fork, and each process that looks into it a page fault; what lies on the
 * heap beside other small tables costs neither. */
static void move_small(struct table *table)
{
    uint32_t const size = table->map.size;
    if (!table->map.map || size > SMALL || !(table->heap = malloc(size)))
        return;
    memcpy(table->heap, table->map.map, size);
    cdb_free(&table->map);
    table->map = (cdb){.map = table->heap, .size = size};
}

enum control_result table_load(struct table *table, struct control const *control, char const *name,
                               table_parse_func *parse, struct control_error *error)
{
    return table_load_form(table, control, name, TABLE_LINES, parse, error);
}

enum control_result table_load_form(struct table *table, struct control const *control,
                                    char const *name, enum table_form form, table_parse_func *parse,
                                    struct control_error *error)
{
    struct stat source = {0};
    struct table_stamp stamp;
    cdb map = CDB_ZERO;
    control_ask(control, name);
    /* Where this fails, reading the file fails too, and says why. */
    bool large = fstatat(control->directory, name, &source, 0) == 0 && S_ISREG(source.st_mode) &&
                 source.st_size >= TABLE_FILE_MIN;
    bool settled = large && is_settled(&source);
    table_stamp_make(&stamp, &source);
    enum control_result result = CONTROL_OK;
    if (!large || !table_file_open(&map, control, name, &stamp)) {
        result = table_compile(&map, control, name, form, parse, TABLE_STAMP_KEY,
                               TABLE_STAMP_KEY_LENGTH, (char const *)&stamp, sizeof stamp, error);
        /* With somebody who looks on, lines may have been left out. */
        if (result == CONTROL_OK && settled && !control->observer &&
            is_unchanged(control, name, &stamp))
            table_file_save(&map, control, name, &stamp, &source);
    }
    if (result == CONTROL_ERROR)
        return result;
    *table = (struct table){.map = map, .present = result == CONTROL_OK};
    move_small(table);
    return result;
}

void table_free(struct table *table)
{
    if (table->heap)
        explicit_bzero(table->heap, table->map.size); /* it may hold passwords */
    else if (table->map.map)
        cdb_free(&table->map);
    free(table->heap);
    *table = (struct table)TABLE_ZERO;
}

/* KEY is folded already. */
static bool find_folded(struct table const *table, char const *key, size_t length,
                        char const **value, size_t *value_length)
{
    cdb_data data;
    if (cdb_find(&table->map, &data, key, (uint32_t)length) != 1 || data.len < TABLE_LINE_SIZE)
        return false;
    *value = data.s + TABLE_LINE_SIZE;
    *value_length = data.len - TABLE_LINE_SIZE;
    return true;
}

unsigned int table_line(char const *value)
{
    uint32_t line;
    uint32_unpack(value - TABLE_LINE_SIZE, &line);
    return line;
}

bool table_next(struct table const *table, uint32_t *place, struct table_entry *entry)
{
    cdb_data key, value;
    while (table->map.map && cdb_traverse_next(&table->map, &key, &value, place) == 1)
        if (key.len == 0 || key.s[0]) { /* not the stamp */
            *entry = (struct table_entry){.key = key.s,
                                          .key_length = key.len,
                                          .value = value.s + TABLE_LINE_SIZE,
                                          .value_length = value.len - TABLE_LINE_SIZE};
            return true;
        }
    return false;
}

/* False when KEY cannot be in any table. With a NUL it could name the stamp. */
static bool fold(struct table const *table, char *folded, char const *key, size_t length)
{
    if (!table->map.map || length > TABLE_KEY_MAX || (length > 0 && memchr(key, 0, length)))
        return false;
    if (length > 0)
        memcpy(folded, key, length);
    case_lowerb(folded, length);
    return true;
}

bool table_find(struct table const *table, char const *key, size_t length, char const **value,
                size_t *value_length)
{
    char folded[TABLE_KEY_MAX];
    return fold(table, folded, key, length) &&
           find_folded(table, folded, length, value, value_length);
}

bool table_find_domain(struct table const *table, char const *domain, size_t length,
                       char const **value, size_t *value_length)
{
    char folded[TABLE_KEY_MAX];
    if (length == 0 || !fold(table, folded, domain, length))
        return false;
    for (size_t i = 0; i < length; i++)
        if ((i == 0 || folded[i] == '.') &&
            find_folded(table, folded + i, length - i, value, value_length))
            return true;
    return false;
}
