// SPDX-License-Identifier: Apache-2.0

package queue

// SmallFiles has a store write, roll and compact small files, so that little data shows what much would.
func SmallFiles(o Options) Options {
	o.tune = smallFiles
	return o
}
