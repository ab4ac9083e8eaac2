// SPDX-License-Identifier: Apache-2.0

package main

import "sync"

// waiting is a notification that waits for its group to be written.
type waiting struct {
	key    [32]byte
	record []byte
	err    error
	done   chan struct{}
}

// groups writes whatever waits together, the same way for all engines.
type groups struct {
	in     chan *waiting
	commit func([]*waiting) error
	close  func() error
	pool   sync.Pool
}

func newGroups(commit func([]*waiting) error, closeStore func() error) *groups {
	g := &groups{in: make(chan *waiting, 1024), commit: commit, close: closeStore}
	g.pool.New = func() any { return &waiting{done: make(chan struct{}, 1)} }
	go g.run()
	return g
}

func (g *groups) run() {
	var group []*waiting
	for first := range g.in {
		group = append(group[:0], first)
		for more := true; more && len(group) < 512; {
			select {
			case w, ok := <-g.in:
				if more = ok; ok {
					group = append(group, w)
				}
			default:
				more = false
			}
		}
		err := g.commit(group)
		for _, w := range group {
			w.err = err
			w.done <- struct{}{}
		}
	}
}

func (g *groups) Put(n *notification) error {
	w := g.pool.Get().(*waiting)
	w.key = n.key
	w.record = append(w.record[:0], n.path...)
	for name, values := range n.header {
		w.record = append(w.record, name...)
		for _, v := range values {
			w.record = append(w.record, v...)
		}
	}
	w.record = append(w.record, n.body...)
	g.in <- w
	<-w.done
	err := w.err
	g.pool.Put(w)
	return err
}

// Close is called when nothing is put any more.
func (g *groups) Close() error {
	close(g.in)
	return g.close()
}
