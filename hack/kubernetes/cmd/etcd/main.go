// SPDX-License-Identifier: Apache-2.0

// Command etcd is etcd's server; its module has no main package of its own that can be built from here.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
