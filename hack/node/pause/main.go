// SPDX-License-Identifier: Apache-2.0

// Command pause keeps a Pod's namespaces while it runs, as the sandbox's program of the end-to-end tests' node. As the first process
// of a Pod it is given the ends of others, which the kernel forgets where their signal is ignored.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGCHLD)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
