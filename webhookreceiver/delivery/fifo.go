// SPDX-License-Identifier: Apache-2.0

package delivery

// chunkSize bounds how much a fifo copies when it grows; keptChunk is how much room it keeps when it is empty.
const (
	chunkSize = 256
	keptChunk = 32
)

// fifo is a first-in-first-out queue that gives memory back as it empties. The zero value is empty.
type fifo[T any] struct {
	chunks [][]T
	head   int // in the first chunk
	n      int
}

func (f *fifo[T]) push(v T) {
	last := len(f.chunks) - 1
	if last < 0 || len(f.chunks[last]) == chunkSize {
		var chunk []T
		if last >= 0 {
			chunk = make([]T, 0, chunkSize)
		}
		f.chunks = append(f.chunks, chunk)
		last++
	}
	f.chunks[last] = append(f.chunks[last], v)
	f.n++
}

// pushFront adds an element before the first. It is meant for few: it copies a chunk.
func (f *fifo[T]) pushFront(v T) {
	if f.n == 0 {
		f.push(v)
		return
	}
	if f.head > 0 {
		f.head--
		f.chunks[0][f.head] = v
	} else {
		f.chunks = append([][]T{{v}}, f.chunks...)
	}
	f.n++
}

// peek returns the first element, or nil. It is valid until the next push or pop.
func (f *fifo[T]) peek() *T {
	if f.n == 0 {
		return nil
	}
	return &f.chunks[0][f.head]
}

// pop takes the first element. There must be one.
func (f *fifo[T]) pop() T {
	var zero T
	first := f.chunks[0]
	v := first[f.head]
	first[f.head] = zero
	f.head++
	f.n--
	switch {
	case f.n == 0 && len(f.chunks) == 1 && cap(first) <= keptChunk:
		f.chunks[0], f.head = first[:0], 0
	case f.n == 0:
		*f = fifo[T]{}
	case f.head == len(first):
		f.chunks[0] = nil
		f.chunks = f.chunks[1:]
		f.head = 0
	}
	return v
}

// all visits the elements from first to last.
func (f *fifo[T]) all(visit func(*T)) {
	head := f.head
	for _, chunk := range f.chunks {
		for i := head; i < len(chunk); i++ {
			visit(&chunk[i])
		}
		head = 0
	}
}
