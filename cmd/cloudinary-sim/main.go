// SPDX-License-Identifier: Apache-2.0

// Command cloudinary-sim serves a simulated Cloudinary product environment over HTTP. It holds flags and wiring only; what it
// simulates is in internal/simulator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "cloudinary-sim:", err)
	os.Exit(1)
}

func run(ctx context.Context, args []string, out, usage io.Writer) error {
	var options simulator.Options
	flags := flag.NewFlagSet("cloudinary-sim", flag.ContinueOnError)
	flags.SetOutput(usage)
	listen := flags.String("listen", "127.0.0.1:8085", "address to serve on; port 0 picks a free one")
	options.RegisterFlags(flags)
	if err := flags.Parse(simulator.Arguments(args)); err != nil {
		return fmt.Errorf("parse flags: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	environment, err := simulator.New(options)
	if err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", *listen, err)
	}
	_, err = fmt.Fprintf(out, "listening on %s CLOUDINARY_URL=%s\n", listener.Addr(), cloudinaryURL(options, listener.Addr()))
	if err != nil {
		return errors.Join(fmt.Errorf("print address: %w", err), listener.Close())
	}
	return serve(ctx, listener, environment)
}

// cloudinaryURL is what a client on this machine needs to reach the simulator.
func cloudinaryURL(options simulator.Options, addr net.Addr) string {
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	address := url.URL{
		Scheme:   "cloudinary",
		User:     url.UserPassword(options.APIKey, options.APISecret),
		Host:     options.Cloud,
		RawQuery: "upload_prefix=http://" + host,
	}
	return address.String()
}

func serve(ctx context.Context, listener net.Listener, environment *simulator.Simulator) error {
	server := &http.Server{
		Handler:           environment,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		// Longer than the longest delay that can be injected.
		WriteTimeout:   15 * time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		// A call that is being delayed for longer than the grace is cut.
		err = errors.Join(server.Close(), ignoreDeadline(err))
	}
	environment.Close(grace)
	return err
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("stop: %w", err)
}
