// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how many arrays and objects may be open at once in a notification. Cloudinary's nest to six or so; encoding/json
// allows ten thousand.
const MaxDepth = 1000

// Why a body is refused. The errors of Decode wrap one of them and say where.
var (
	ErrNotJSON = errors.New("not exactly one JSON object")
	ErrTooDeep = errors.New("nested deeper than " + strconv.Itoa(MaxDepth) + " arrays and objects")
)

// scanner walks once over a JSON text and accepts what encoding/json accepts. The first error stays, and moves the
// position to the end, so that nothing is read after it: callers may go on, and look at err once.
type scanner struct {
	data  []byte
	pos   int
	depth int
	at    int // where the error is
	err   error
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err, s.at = err, s.pos
	}
	s.pos = len(s.data)
}

// peek skips white space and returns the byte after it, or zero, which begins nothing in JSON, at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// end says that nothing but white space may be left.
func (s *scanner) end() {
	if s.peek() != 0 || s.pos < len(s.data) {
		s.fail(ErrNotJSON)
	}
}

// value skips one value of any kind.
func (s *scanner) value() {
	switch c := s.peek(); {
	case c == '"':
		s.text()
	case c == '{':
		for _, more := s.member(true); more; _, more = s.member(false) {
			s.value()
		}
	case c == '[':
		for more := s.element(true); more; more = s.element(false) {
			s.value()
		}
	case c == '-' || isDigit(c):
		s.number()
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.fail(ErrNotJSON)
	}
}

// member goes to the value of an object's next member, the first where the brace is still to be read, and returns its
// name as it is written. There are no more after the closing brace, nor after an error.
func (s *scanner) member(first bool) (name []byte, more bool) {
	if !s.next(first, '{', '}') {
		return nil, false
	}
	if s.peek() != '"' {
		s.fail(ErrNotJSON)
		return nil, false
	}
	name = s.text()
	if s.peek() != ':' {
		s.fail(ErrNotJSON)
		return nil, false
	}
	s.pos++
	return name, true
}

// element goes to an array's next value, as member does in an object.
func (s *scanner) element(first bool) bool {
	return s.next(first, '[', ']')
}

// next steps over what opens a container or separates its parts, or closes it and says that no more come.
func (s *scanner) next(first bool, opening, closing byte) bool {
	if first {
		s.expect(opening)
		s.depth++
		if s.depth > MaxDepth {
			s.fail(ErrTooDeep)
		}
	}
	switch c := s.peek(); {
	case s.err != nil:
		return false
	case c == closing:
		s.pos++
		s.depth--
		return false
	case first:
		return true
	}
	s.expect(',')
	return s.err == nil
}

func (s *scanner) expect(c byte) {
	if s.peek() != c {
		s.fail(ErrNotJSON)
		return
	}
	s.pos++
}

// text reads a string, whose quote is next, and returns what is between the quotes as it is written.
func (s *scanner) text() []byte {
	s.pos++
	start := s.pos
	for {
		s.pos += plain(s.data[s.pos:])
		if s.pos >= len(s.data) {
			s.fail(ErrNotJSON)
			return nil
		}
		switch s.data[s.pos] {
		case '"':
			s.pos++
			return s.data[start : s.pos-1]
		case '\\':
			s.escape()
		default: // a control character
			s.fail(ErrNotJSON)
			return nil
		}
	}
}

// plain counts the bytes before the first that means something in a string: a quote, a backslash or a control
// character. It looks at eight at a time, since most of a notification is strings.
func plain(data []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, backslash := w^(ones*'"'), w^(ones*'\\')
		// A byte's high bit is set here where the byte is zero, or below 0x20. Borrows may set bits above the
		// first such byte, never below it.
		found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (w-ones*0x20)&^w) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(data); i++ {
		if c := data[i]; c == '"' || c == '\\' || c < 0x20 {
			return i
		}
	}
	return i
}

// escape steps over a backslash and what belongs to it.
func (s *scanner) escape() {
	rest := s.data[s.pos+1:]
	if len(rest) == 0 {
		s.fail(ErrNotJSON)
		return
	}
	switch rest[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
	case 'u':
		if len(rest) < 5 || !isHex(rest[1]) || !isHex(rest[2]) || !isHex(rest[3]) || !isHex(rest[4]) {
			s.fail(ErrNotJSON)
			return
		}
		s.pos += 6
	default:
		s.fail(ErrNotJSON)
	}
}

// number reads a number, whose first byte is next, and returns it as it is written.
func (s *scanner) number() []byte {
	start := s.pos
	if s.data[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.data) && s.data[s.pos] == '0' {
		s.pos++
	} else {
		s.digits()
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		s.digits()
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		s.digits()
	}
	return s.data[start:s.pos]
}

// digits reads at least one digit.
func (s *scanner) digits() {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	if s.pos == start {
		s.fail(ErrNotJSON)
	}
}

func (s *scanner) literal(word string) {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		s.fail(ErrNotJSON)
		return
	}
	s.pos += len(word)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// unescaped returns the string that raw, the inside of a JSON string that was scanned, stands for.
func unescaped(raw []byte) []byte {
	if plainly(raw) {
		return raw
	}
	return appendUnescaped(make([]byte, 0, len(raw)), raw)
}

// plainly reports whether a string is written as it is read.
func plainly(raw []byte) bool { return bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) }

// appendUnescaped appends the string that raw, the inside of a JSON string that was scanned, stands for, as encoding/json reads it: half of a
// surrogate pair, and what is no UTF-8, become the replacement character.
func appendUnescaped(text, raw []byte) []byte {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\' && i+1 < len(raw):
			r, n := escaped(raw[i:])
			text, i = utf8.AppendRune(text, r), i+n
		case c < utf8.RuneSelf:
			text, i = append(text, c), i+1
		default:
			r, n := utf8.DecodeRune(raw[i:])
			text, i = utf8.AppendRune(text, r), i+n
		}
	}
	return text
}

// escaped reads the escape that raw begins with: the character, and how many bytes it is.
func escaped(raw []byte) (r rune, n int) {
	const short, long = len(`\n`), len(`\u0041`)
	if raw[1] != 'u' || len(raw) < long {
		return shortEscaped(raw[1]), short
	}
	r = unit(raw)
	if !utf16.IsSurrogate(r) {
		return r, long
	}
	if low := raw[long:]; len(low) >= long && low[0] == '\\' && low[1] == 'u' {
		if pair := utf16.DecodeRune(r, unit(low)); pair != utf8.RuneError {
			return pair, 2 * long
		}
	}
	return utf8.RuneError, long
}

// shortEscaped is what a letter stands for after a backslash. Any other stands for itself.
func shortEscaped(c byte) rune {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return rune(c)
	}
}

// unit reads the four digits of \u0041.
func unit(raw []byte) (r rune) {
	for _, c := range raw[2:6] {
		r <<= 4
		switch {
		case isDigit(c):
			r |= rune(c - '0')
		case c >= 'a':
			r |= rune(c - 'a' + 10)
		default:
			r |= rune(c - 'A' + 10)
		}
	}
	return r
}
