#!/bin/sh
# Stands in for ekiden-spf beside ekiden-smtpd. The local part of the sender, or the first label of
# the HELO name where there is no sender, says what it does. What it was told goes to the log, as a
# line of the form that all have.
set -f
IFS='
'
set -- $(tr '\0' '\n')
word=${3:-$2}
word=${word%%[@.]*}
exec >&0 # the answer goes where the question came from
told=$(printf %s "$1/$2/$3" | tr -dc 'A-Za-z0-9:./@[]-')
echo "ekiden-spf: event=asked told=$told" >&2
case $word in
neutral | pass | softfail) printf '%s\0\0\0the trail\0' "$word" ;;
fail) printf 'fail\0See http://explain.example/?i=%s\0\0the trail\0' "$1" ;;
long) printf 'fail\0%0400d\0\0the trail\0' 7 ;;
temperror | permerror) printf '%s\0\0what is "wrong"\0the trail\0' "$word" ;;
die) kill -9 $$ ;;
silent) exit 0 ;;
nonsense) printf 'great\0\0\0\0' ;;
more) printf 'pass\0\0\0\0\0' ;;
half) printf 'pass\0\0' ;;
injected) printf 'fail\0a\r\n250 b\0\0\0' ;;
flood) exec head -c 1000000 /dev/zero 2>/dev/null ;;
hang) exec sleep 100 ;;
*) printf 'none\0\0\0\0' ;;
esac
