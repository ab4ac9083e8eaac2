// SPDX-License-Identifier: Apache-2.0

package proof

// pass is a function that is run by turns with its caller, and never at the same time. iter.Pull
// does that as well, but what the race detector notes of its coroutines it never frees: 100 KB for
// each pass.
type pass struct {
	turn   chan bool // true: go on; false: end
	parked chan bool // true: it waits for its next turn; false: it has ended
}

// begin prepares a pass.
func begin(f func()) *pass {
	p := &pass{turn: make(chan bool), parked: make(chan bool)}
	go func() {
		defer close(p.parked)
		if <-p.turn {
			f()
		}
	}()
	return p
}

// park is called by the pass itself, and waits for its next turn. It returns false where the pass
// is to end.
func (p *pass) park() bool {
	p.parked <- true
	return <-p.turn
}

// goOn gives the pass a turn, and reports whether it parks again. It has ended if not.
func (p *pass) goOn() (parked bool) {
	p.turn <- true
	return <-p.parked
}

// end ends a pass that is parked.
func (p *pass) end() {
	p.turn <- false
	<-p.parked
}
