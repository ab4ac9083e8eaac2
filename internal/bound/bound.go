// SPDX-License-Identifier: Apache-2.0

// Package bound says how much a user may write into a filter or a payload template. The manager and the receiver ask it before they
// parse, compute or keep anything of one, so that both refuse the same ones. It reads bytes and builds nothing.
package bound

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The bounds of a filter and of a payload template. The length of a template is Cloudinary's; it names no other, so those are ours.
const (
	// MaxBytes is the length as compact JSON: no white space between the values, and each string written with the fewest escapes.
	MaxBytes = 16 << 10
	// MaxLevels is how many objects and arrays may be open at once; the outermost one is the first.
	MaxLevels = 32
	// MaxRawBytes is how long a text may be and is read still. An escape such as \u0041 makes it six times longer than its compact form.
	MaxRawBytes = 8 * MaxBytes
)

// Why a filter or a payload template is refused.
var (
	ErrTooLong = errors.New("has more than " + strconv.Itoa(MaxBytes) + " bytes as compact JSON")
	ErrTooDeep = errors.New("is nested more than " + strconv.Itoa(MaxLevels) + " levels deep")
)

// Check says which bound raw, the JSON text of a filter or a payload template, exceeds: ErrTooLong, ErrTooDeep or nothing. It walks over the
// text once and no further than to the first bound. It does not check that the text is JSON.
func Check(raw []byte) error {
	if len(raw) > MaxRawBytes {
		return ErrTooLong
	}
	switch size, levels := measure(raw, MaxBytes, MaxLevels); {
	case size > MaxBytes:
		return ErrTooLong
	case levels > MaxLevels:
		return ErrTooDeep
	default:
		return nil
	}
}

// Size is how long a JSON text is as compact JSON.
func Size(raw []byte) int {
	size, _ := measure(raw, math.MaxInt, math.MaxInt)
	return size
}

// measure returns the length of raw as compact JSON, and how many levels are open at its end. It stops where either exceeds its bound.
func measure(raw []byte, maxBytes, maxLevels int) (size, levels int) {
	for i := 0; i < len(raw) && size <= maxBytes && levels <= maxLevels; {
		counted, read := 1, 1
		switch raw[i] {
		case ' ', '\t', '\r', '\n':
			counted = 0
		case '{', '[':
			levels++
		case '}', ']':
			levels--
		case '"':
			counted, read = text(raw[i:], maxBytes-size)
		}
		size += counted
		i += read
	}
	return size, levels
}

// text measures the string that raw begins with: its length in compact JSON, with both quotes, and how many bytes of raw it is. It stops
// soon after the length has exceeded limit.
func text(raw []byte, limit int) (counted, read int) {
	counted, read = 1, 1
	for read < len(raw) && counted <= limit {
		switch c := raw[read]; {
		case c == '"':
			return counted + 1, read + 1
		case c == '\\':
			r, n := escape(raw[read:])
			counted, read = counted+width(r), read+n
		case c < utf8.RuneSelf:
			counted, read = counted+width(rune(c)), read+1
		default:
			r, n := utf8.DecodeRune(raw[read:])
			counted, read = counted+width(r), read+n
		}
	}
	return counted, read
}

const (
	shortEscape = len(`\n`)
	longEscape  = len(`\u2028`)
)

// width is how many bytes a character takes in a string of compact JSON, as encoding/json writes it.
func width(r rune) int {
	switch r {
	case '"', '\\', '\b', '\f', '\n', '\r', '\t':
		return shortEscape
	case '\u2028', '\u2029':
		return longEscape
	}
	if r < ' ' {
		return longEscape
	}
	return utf8.RuneLen(r)
}

// escape reads the escape that raw begins with: the character that it stands for, and how many bytes it is. Half a surrogate pair stands for the
// replacement character, as for encoding/json.
func escape(raw []byte) (r rune, n int) {
	if len(raw) < shortEscape {
		return utf8.RuneError, len(raw)
	}
	if raw[1] != 'u' {
		return shortEscaped(raw[1]), shortEscape
	}
	r, ok := unit(raw)
	if !ok {
		return utf8.RuneError, shortEscape
	}
	if !utf16.IsSurrogate(r) {
		return r, longEscape
	}
	if low, ok := unit(raw[longEscape:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 2 * longEscape
		}
	}
	return utf8.RuneError, longEscape
}

func shortEscaped(c byte) rune {
	switch c {
	case 'b', 'f', 'n', 'r', 't':
		return '\n' // they are all equally wide
	default:
		return rune(c)
	}
}

// unit reads \uXXXX.
func unit(raw []byte) (rune, bool) {
	if len(raw) < longEscape || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	const hexadecimal, bits = 16, 16
	v, err := strconv.ParseUint(string(raw[2:longEscape]), hexadecimal, bits)
	return rune(v), err == nil
}
