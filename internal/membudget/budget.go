// SPDX-License-Identifier: Apache-2.0

// Package membudget compares what a program's flags allow with the memory that there is. It decides, and must not read or set anything.
package membudget

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Limit is how much memory there is.
type Limit struct {
	// Bytes is none where it is math.MaxInt64.
	Bytes int64
	// Source says whose number that is.
	Source string
}

// Unlimited is where nobody has set a limit.
func Unlimited() Limit { return Limit{Bytes: math.MaxInt64} }

// IsUnlimited reports whether any flags fit.
func (l Limit) IsUnlimited() bool { return l.Bytes == math.MaxInt64 }

// OfContainer is what of a container's limit is for Go: the rest is for what the runtime does not count, such as the program itself and
// the sockets of its connections.
func OfContainer(bytes int64) int64 {
	const percent, of = 100, 90
	if bytes > math.MaxInt64/of {
		return math.MaxInt64
	}
	return bytes * of / percent
}

// Choose takes the lower of GOMEMLIMIT and what of the container's limit is for Go; either is math.MaxInt64 where there is none.
func Choose(goLimit, container int64) Limit {
	switch ours := OfContainer(container); {
	case goLimit == math.MaxInt64 && ours == math.MaxInt64:
		return Unlimited()
	case ours < goLimit:
		return Limit{Bytes: ours, Source: fmt.Sprintf("90 %% of the container's limit of %s", Size(container))}
	default:
		return Limit{Bytes: goLimit, Source: "GOMEMLIMIT"}
	}
}

// Part is what one thing may take.
type Part struct {
	// Name is what takes it.
	Name string
	// Flag bounds it, and Value is the flag's. It is empty for what no flag bounds.
	Flag  string
	Value int64
	Bytes int64
}

// Times is what n of a kind take, of so many bytes each.
func Times(n int, each int64) int64 {
	if int64(n) > math.MaxInt64/each {
		return math.MaxInt64
	}
	return int64(n) * each
}

// Sum is what all take.
func Sum(parts []Part) int64 {
	sum := int64(0)
	for _, p := range parts {
		if p.Bytes > math.MaxInt64-sum {
			return math.MaxInt64
		}
		sum += p.Bytes
	}
	return sum
}

// Check says that the parts are more than there is, which of them are how large, and what would help.
func Check(limit Limit, parts []Part) error {
	sum := Sum(parts)
	if limit.IsUnlimited() || sum <= limit.Bytes {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the flags allow %s of memory, and there are %s (%s):", Size(sum), Size(limit.Bytes), limit.Source)
	largest := slices.Clone(parts)
	slices.SortStableFunc(largest, func(a, b Part) int { return cmp.Compare(b.Bytes, a.Bytes) })
	for _, p := range largest {
		if p.Flag == "" {
			fmt.Fprintf(&b, "\n  %s for %s", Size(p.Bytes), p.Name)
			continue
		}
		fmt.Fprintf(&b, "\n  %s for %s (--%s is %d)", Size(p.Bytes), p.Name, p.Flag, p.Value)
	}
	b.WriteString("\nSet ")
	if flag, value, helps := enough(largest, sum-limit.Bytes); helps {
		fmt.Fprintf(&b, "--%s to %d or less, or ", flag, value)
	}
	fmt.Fprintf(&b, "GOMEMLIMIT to %dMiB or more and the container's limit of memory to a ninth more than that", mebibytes(sum))
	return errors.New(b.String())
}

// enough is the first flag that is enough to lower, and to which value.
func enough(parts []Part, excess int64) (flag string, value int64, helps bool) {
	for _, p := range parts {
		if p.Flag == "" || p.Bytes <= excess {
			continue
		}
		// In floating point, since the product may be too large. A thousandth less is on the safe side of what is lost.
		const safe = 0.999
		if value := int64(float64(p.Value) * (float64(p.Bytes-excess) / float64(p.Bytes)) * safe); value > 0 {
			return p.Flag, value, true
		}
	}
	return "", 0, false
}

func mebibytes(n int64) int64 {
	const mebibyte = 1 << 20
	return n/mebibyte + min(n%mebibyte, 1)
}

// Size is a number of bytes for people, rounded up.
func Size(n int64) string {
	if n == math.MaxInt64 {
		return "any number of MiB"
	}
	return fmt.Sprintf("%d MiB", mebibytes(n))
}
