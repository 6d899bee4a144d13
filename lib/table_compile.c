#include "lib/table_compile.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <skalibs/bytestr.h>
#include <skalibs/cdbmake.h>
#include <skalibs/diuint32.h>
#include <skalibs/djbunix.h>
#include <skalibs/genalloc.h>
#include <skalibs/uint32.h>

#define KEYS_FIRST 1024 /* places in the set of keys at first; a power of two */

/* The keys so far. cdb would keep every entry of a key, and looks at all of them for each further
 * one: a list that was appended to itself again and again would take hours. */
struct keys {
    struct place {
        uint32_t hash;
        uint32_t offset; /* in bytes, plus one; 0: free */
    } * places;
    size_t space, count;
    stralloc bytes; /* each key after its length in two bytes */
};

struct compilation {
    cdbmaker maker;
    struct keys keys;
    table_parse_func *parse;
};

/* FNV-1a. */
static uint32_t hash_of(char const *key, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    return hash;
}

static bool keys_grow(struct keys *keys)
{
    size_t space = keys->space ? 2 * keys->space : KEYS_FIRST;
    struct place *places = calloc(space, sizeof *places);
    if (!places)
        return false;
    for (size_t i = 0; i < keys->space; i++) {
        if (!keys->places[i].offset)
            continue;
        size_t slot = keys->places[i].hash & (space - 1);
        while (places[slot].offset)
            slot = (slot + 1) & (space - 1);
        places[slot] = keys->places[i];
    }
    free(keys->places);
    keys->places = places;
    keys->space = space;
    return true;
}

static bool same_key(struct keys const *keys, struct place const *place, char const *key,
                     size_t length)
{
    unsigned char const *stored = (unsigned char const *)keys->bytes.s + place->offset - 1;
    return (size_t)(stored[0] << 8 | stored[1]) == length && !memcmp(stored + 2, key, length);
}

/* Adds KEY; *added says whether it is new. False when out of memory. */
static bool keys_add(struct keys *keys, char const *key, size_t length, bool *added)
{
    if (2 * keys->count >= keys->space && !keys_grow(keys))
        return false;
    uint32_t hash = hash_of(key, length);
    size_t slot = hash & (keys->space - 1);
    for (; keys->places[slot].offset; slot = (slot + 1) & (keys->space - 1)) {
        if (keys->places[slot].hash == hash && same_key(keys, keys->places + slot, key, length)) {
            *added = false;
            return true;
        }
    }
    /* Fits: a control file has at most 2^28 bytes, and so the keys, their lengths included. */
    uint32_t offset = (uint32_t)keys->bytes.len + 1;
    char head[2] = {(char)(length >> 8), (char)(length & 255)};
    if (!stralloc_catb(&keys->bytes, head, 2) || !stralloc_catb(&keys->bytes, key, length))
        return false;
    keys->places[slot] = (struct place){hash, offset};
    keys->count++;
    *added = true;
    return true;
}

static bool add_line(void *context, char const *line, size_t length, unsigned int number,
                     struct control_error *error)
{
    struct compilation *compilation = context;
    struct table_entry entry = {0};
    char key[TABLE_KEY_MAX], value[TABLE_LINE_SIZE + CONTROL_FOLDED_MAX];
    bool added;
    if (!compilation->parse(line, length, &entry, error))
        return false;
    if (entry.key_length > sizeof key)
        return control_fail(error, "a name of at most 1024 bytes", line, length);
    if (entry.value_length > CONTROL_FOLDED_MAX)
        return control_fail(error, "a value of at most 16384 bytes", line, length);
    if (entry.key_length > 0)
        memcpy(key, entry.key, entry.key_length);
    case_lowerb(key, entry.key_length);
    if (!keys_add(&compilation->keys, key, entry.key_length, &added))
        return control_fail(error, "enough memory for the table", line, length);
    uint32_pack(value, number);
    if (entry.value_length > 0)
        memcpy(value + TABLE_LINE_SIZE, entry.value, entry.value_length);
    if (added && !cdbmake_add(&compilation->maker, key, (unsigned int)entry.key_length, value,
                              (unsigned int)(TABLE_LINE_SIZE + entry.value_length)))
        return control_fail(error, "enough memory for the table", line, length);
    return true;
}

enum control_result table_compile(cdb *map, struct control const *control, char const *name,
                                  enum table_form form, table_parse_func *parse, char const *key,
                                  size_t key_length, char const *value, size_t value_length,
                                  struct control_error *error)
{
    struct compilation compilation = {.maker = CDBMAKER_ZERO, .parse = parse};
    cdb made = CDB_ZERO;
    enum control_result result = CONTROL_ERROR;
    int descriptor = memfd_create("ekiden-table", MFD_CLOEXEC);
    if (descriptor < 0)
        return control_problem(control, name, error, strerror(errno));
    if (!cdbmake_start(&compilation.maker, descriptor) ||
        !cdbmake_add(&compilation.maker, key, (unsigned int)key_length, value,
                     (unsigned int)value_length)) {
        control_problem(control, name, error, strerror(errno));
    } else {
        result = (form == TABLE_FOLDED ? control_folded_lines : control_lines)(
            control, name, add_line, &compilation, error);
    }
    if (result == CONTROL_OK) {
        if (!cdbmake_finish(&compilation.maker) || !cdb_init_fromfd(&made, descriptor))
            result = control_problem(control, name, error, strerror(errno));
        else
            *map = made;
    }
    genalloc_free(diuint32, &compilation.maker.hplist);
    free(compilation.keys.places);
    stralloc_free(&compilation.keys.bytes);
    fd_close(descriptor);
    return result;
}
