// SPDX-License-Identifier: Apache-2.0

// Command engines serves notifications with one storage engine or another behind the same handler, so that run.sh can measure
// what a durable write costs with each. It is a module of its own: engines that lost must not become dependencies of the operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("engines", flag.ContinueOnError)
	mode := flags.String("mode", "bare", "what to do with a request: bare, verify, or "+strings.Join(engineNames(), ", "))
	address := flags.String("address", "127.0.0.1:9000", "where to listen")
	dir := flags.String("dir", "", "directory of the store; it is emptied first")
	requests := flags.String("requests", "", "write requests for load.lua to this file, and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *requests != "" {
		return writeRequests(*requests)
	}
	h, closeStore, err := handlerOf(*mode, *dir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: *address, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // what is under way may be cut: nobody counts it
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return closeStore()
}

func handlerOf(mode, dir string) (http.Handler, func() error, error) {
	nothing := func() error { return nil }
	switch mode {
	case "bare":
		return http.HandlerFunc(bare), nothing, nil
	case "verify":
		return &verifier{}, nothing, nil
	}
	if !slices.Contains(engineNames(), mode) {
		return nil, nil, fmt.Errorf("unknown mode %q", mode)
	}
	if dir == "" {
		return nil, nil, errors.New("-dir is needed")
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	e, err := engines()[mode](dir)
	if err != nil {
		return nil, nil, err
	}
	return &verifier{store: e}, e.Close, nil
}
