// SPDX-License-Identifier: Apache-2.0

// Command listener is a sample of what stands behind a target of a NotificationEndpoint: it takes a notification about an upload, verifies it
// again, and puts a tag on the asset. It is meant to be copied, so it needs nothing but the standard library and Cloudinary's Go library.
//
// It works as well behind a URL of its own, without the receiver before it.
//
//	CLOUDINARY_URL   cloudinary://API_KEY:API_SECRET@CLOUD_NAME[?upload_prefix=...]
//	SECRET_FOLDER    where the Secret is mounted, for its signing.<API_KEY>, with which notifications may be signed too; absent: nowhere
//	API_KEYS         ids of the only API keys that may sign notifications, with commas between them; absent: all that are known here. Set
//	                 it as spec.receiver.verification.apiKeys of the endpoint is. The best key is one that signs nothing else: whatever
//	                 signs uploads for browsers, signs notifications for them too
//	LISTEN_ADDRESS   where to listen; absent: :8080
//	TAG              the tag to add; absent: seen
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "listener:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string) error {
	tagger, apiKey, secret, err := newTagger(getenv("CLOUDINARY_URL"), or(getenv("TAG"), "seen"))
	if err != nil {
		return err
	}
	v := verifier{folder: getenv("SECRET_FOLDER"), maxAge: maxAge}
	if ids := getenv("API_KEYS"); ids != "" {
		v.apiKeys = strings.Split(ids, ",")
	}
	if v.counts(apiKey) {
		v.secret = []byte(secret)
	}
	l := &listener{
		verifier: v,
		handle:   tagger.handle,
		now:      time.Now, //nolint:forbidigo // the one clock
		log:      slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	}
	mux := http.NewServeMux()
	mux.Handle("POST /", l)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", or(getenv("LISTEN_ADDRESS"), ":8080"))
	if err != nil {
		return err
	}
	l.log.Info("listening", "address", socket.Addr().String(), "tag", tagger.tag)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(socket) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// What is under way is finished: a notification that is cut off would only come again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
