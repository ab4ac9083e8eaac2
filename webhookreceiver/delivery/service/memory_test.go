// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An attempt takes no more than is reckoned with, however a target answers.
func TestAttemptsTakeNoMoreThanIsReckoned(t *testing.T) {
	const attempts = 128
	start := "HTTP/1.1 200 OK\r\n"
	var lines strings.Builder
	lines.WriteString(start)
	for i := 0; lines.Len() < maxAnswerHeaders-8; i++ {
		fmt.Fprintf(&lines, "%c%c:\r\n", 'a'+i%26, 'a'+i/26%26)
	}
	for name, answer := range map[string]string{
		"nothing":                       "",
		"header lines that do not end":  lines.String(),
		"a body that does not end":      lines.String() + "\r\n" + strings.Repeat("x", 8<<10),
		"a long header line":            start + "A: " + strings.Repeat("x", maxAnswerHeaders-100),
		"a chunk that does not end":     start + "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + strings.Repeat("x", 8<<10),
		"as many lines, one name alone": start + strings.Repeat("a:\r\n", (maxAnswerHeaders-100)/4),
	} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int64
			text := []byte(answer)
			address := raw(t, func(c net.Conn) {
				_, _ = c.Write(text)
				arrived.Add(1)
				_, _ = c.Read(make([]byte, 1)) // until it is cut off
			})
			s := senderTo(t, address)
			d := aDelivery(nil)
			d.Target.Service.Timeout = time.Minute
			before := inUse()
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range attempts {
				all.Go(func() { s.Send(ctx, d) })
			}
			eventually(t, "all have been answered", func() bool { return arrived.Load() == attempts })
			time.Sleep(200 * time.Millisecond) // what was sent is being read
			each := (inUse() - before) / attempts
			stop()
			all.Wait()
			t.Logf("%d bytes an attempt, %d are reckoned with", each, AttemptBytes)
			if each > AttemptBytes {
				t.Errorf("an attempt takes %d bytes, and %d are reckoned with", each, AttemptBytes)
			}
		})
	}
}

// inUse is what the process has in use: heap and stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
