/*
 * http_text.h - the alphabet of HTTP: what each byte may be part of, and comparing spans of them.
 *
 * Included by http.c (heads) and http_body.c (bodies) alone. One table, so that a rule asks one
 * question a byte. A byte that is in no class, such as NUL, is never valid; CR and LF are in
 * none, as they only ever stand where a rule names them.
 */
#ifndef SIX_HTTP_TEXT_H
#define SIX_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http.h"

enum {
	TOKEN = 1, /* tchar: methods and field names (RFC 9110 section 5.6.2) */
	TEXT = 2, /* field values: HTAB, SP, VCHAR, obs-text (RFC 9110 section 5.5) */
	BLANK = 4, /* OWS and BWS: HTAB, SP */
	TARGET = 8, /* request targets, less "%" and "?", which mean something there */
	REGNAME = 16, /* host names, less "%" (RFC 3986 section 3.2.2) */
	HEX = 32,
	DIGIT = 64,
	VISIBLE = TEXT | TARGET,
	WORD = VISIBLE | TOKEN | REGNAME
};

static const uint8_t class_of[256] = {
	['\t'] = TEXT | BLANK,
	[' '] = TEXT | BLANK,
	['0' ... '9'] = WORD | HEX | DIGIT,
	['A' ... 'F'] = WORD | HEX,
	['G' ... 'Z'] = WORD,
	['a' ... 'f'] = WORD | HEX,
	['g' ... 'z'] = WORD,
	['!'] = WORD,
	['$'] = WORD,
	['&' ... '\''] = WORD,
	['*' ... '+'] = WORD,
	['-' ... '.'] = WORD,
	['_'] = WORD,
	['~'] = WORD,
	['^'] = VISIBLE | TOKEN,
	['`'] = VISIBLE | TOKEN,
	['|'] = VISIBLE | TOKEN,
	['(' ... ')'] = VISIBLE | REGNAME,
	[','] = VISIBLE | REGNAME,
	[';'] = VISIBLE | REGNAME,
	['='] = VISIBLE | REGNAME,
	['"'] = VISIBLE,
	['/'] = VISIBLE,
	[':'] = VISIBLE,
	['<'] = VISIBLE,
	['>'] = VISIBLE,
	['@'] = VISIBLE,
	['[' ... ']'] = VISIBLE,
	['{'] = VISIBLE,
	['}'] = VISIBLE,
	['#'] = TEXT | TOKEN, /* a fragment is never sent (RFC 9110 section 4.2.5) */
	['%'] = TEXT | TOKEN,
	['?'] = TEXT,
	[0x80 ... 0xff] = TEXT,
};

static inline bool is(char c, unsigned classes)
{
	return class_of[(unsigned char)c] & classes;
}

/* ASCII alone, whatever the locale. */
static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The first byte in [at, end) that is of none of the classes, or end. */
static inline const char *span(const char *at, const char *end, unsigned classes)
{
	while (at < end && is(*at, classes))
		at++;
	return at;
}

static inline struct http_text text(const char *at, const char *end)
{
	return (struct http_text){at, (size_t)(end - at)};
}

/* The text without blanks at its end. */
static inline struct http_text trimmed(struct http_text t)
{
	while (t.len > 0 && is(t.at[t.len - 1], BLANK))
		t.len--;
	return t;
}

static inline bool equals(struct http_text t, const char *word)
{
	return t.len == strlen(word) && memcmp(t.at, word, t.len) == 0;
}

/* The same for any case of the letters; `word` is in lower case. Most texts differ in length, and
 * then nothing else is looked at. */
static inline bool equals_nocase(struct http_text t, const char *word)
{
	if (t.len != strlen(word))
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (lower(t.at[i]) != word[i])
			return false;
	return true;
}

#endif
