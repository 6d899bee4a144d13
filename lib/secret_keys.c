#include "lib/secret_keys.h"

#include <string.h>

unsigned char secret_lower(char byte)
{
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

static void add_part(br_hmac_context *context, struct secret_part const *part)
{
    unsigned char piece[64];
    for (size_t done = 0; done < part->length;) {
        size_t length = 0;
        while (length < sizeof piece && done < part->length)
            piece[length++] = secret_lower(part->bytes[done++]);
        br_hmac_update(context, piece, length);
    }
}

void secret_sum(unsigned char sum[SECRET_SUM_SIZE], char const *key,
                struct secret_part const *parts, size_t count)
{
    br_hmac_key_context keyed;
    br_hmac_context context;
    br_hmac_key_init(&keyed, &br_sha1_vtable, key, strlen(key));
    br_hmac_init(&context, &keyed, 0);
    for (size_t i = 0; i < count; i++)
        add_part(&context, parts + i);
    br_hmac_out(&context, sum);
    explicit_bzero(&keyed, sizeof keyed);
    explicit_bzero(&context, sizeof context);
}
