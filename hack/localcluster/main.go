// SPDX-License-Identifier: Apache-2.0

// Command localcluster runs a Kubernetes control plane on this machine that outlives the command: etcd,
// kube-apiserver and kube-controller-manager, on free ports of 127.0.0.1, with everything they need in one folder. There is no
// node, so no Pod runs, unless hack/node makes one. Further programs can be run beside it in the same way. It ends no process that it did not
// start itself, and needs neither root nor a container engine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = `Usage: localcluster [--dir FOLDER] COMMAND

Commands
  up [--assets FOLDER] [--node ADDRESS] [--controller-manager=false]
        start the control plane, or what is missing of it, and wait until it is ready. With --node it is made
        for a node of that address, which is for others to start: keys, kubeconfigs and rights of one are there.
        With --controller-manager=false nothing empties deleted namespaces or collects what has lost its owner
  down  end everything that up and run started, and wait until it has ended
  status
        print what runs; exit code 1 unless all of it does
  run --name NAME [--ready URL] [--timeout DURATION] -- PROGRAM ARGUMENT...
        run a program in the background; nothing is done if it runs already, unchanged. With --ready
        the command waits until the URL answers 200
  stop NAME
        end a program started by run, and wait until it has ended
  kubeconfig [--as USER]
        print a kubeconfig with which programs act as that user, and have that user's rights alone
  port NAME
        print a free port, the same each time; NAME is a program's name or NAME/purpose

Flags
`

// errNotRunning makes the exit code of status; what does not run was printed already.
var errNotRunning = errors.New("not everything is running")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	if !errors.Is(err, errNotRunning) {
		fmt.Fprintln(os.Stderr, "localcluster:", err)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	flags := newFlags("localcluster", messages)
	flags.Usage = func() {
		fmt.Fprint(messages, usage)
		flags.PrintDefaults()
	}
	dir := flags.String("dir", ".local", "folder for state, keys, data and logs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	command, rest := flags.Arg(0), flags.Args()
	if command == "" {
		flags.Usage()
		return errors.New("no command given")
	}
	s, err := openState(ctx, folder)
	if err != nil {
		return err
	}
	defer s.close()
	return dispatch(ctx, s, command, rest[1:], out, messages)
}

func dispatch(ctx context.Context, s *state, command string, args []string, out, messages io.Writer) error {
	switch command {
	case "up":
		return upCommand(ctx, s, args, messages)
	case "down":
		return down(ctx, s, messages)
	case "status":
		return status(ctx, s, out)
	case "kubeconfig":
		return kubeconfigCommand(ctx, s, args, out, messages)
	case "run":
		return runCommand(ctx, s, args, messages)
	case "stop":
		if len(args) != 1 {
			return errors.New("stop needs the name of one program")
		}
		return stopNamed(ctx, s, args[0], messages)
	case "port":
		if len(args) != 1 {
			return errors.New("port needs one name")
		}
		port, err := s.port(ctx, args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, port)
		return err
	default:
		return fmt.Errorf("unknown command %q; see localcluster --help", command)
	}
}

func upCommand(ctx context.Context, s *state, args []string, messages io.Writer) error {
	flags := newFlags("up", messages)
	assets := flags.String("assets", os.Getenv("KUBEBUILDER_ASSETS"),
		"folder with etcd, kube-apiserver and kube-controller-manager; hack/kubernetes/build.sh prints one (default $KUBEBUILDER_ASSETS)")
	node := flags.String("node", "", "address of the node that the control plane is for, which is the same each time; absent: there is none")
	controllers := flags.Bool("controller-manager", true, "start kube-controller-manager")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *node != "" && net.ParseIP(*node) == nil {
		return fmt.Errorf("--node is %q, which is no IP address", *node)
	}
	if *assets == "" {
		return errors.New(`no --assets given, and KUBEBUILDER_ASSETS is not set; use --assets "$(hack/kubernetes/build.sh)"`)
	}
	folder, err := filepath.Abs(*assets)
	if err != nil {
		return err
	}
	return up(ctx, &cluster{state: s, assets: folder, node: *node, controllers: *controllers}, messages)
}

func kubeconfigCommand(ctx context.Context, s *state, args []string, out, messages io.Writer) error {
	flags := newFlags("kubeconfig", messages)
	as := flags.String("as", "", "user to act as, for example system:serviceaccount:NAMESPACE:NAME; absent: the administrator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if p, noted := s.find(apiServer); !noted || !p.alive(ctx) {
		return errors.New("the control plane does not run; see localcluster up")
	}
	c := &cluster{state: s, pki: pki{dir: s.path("pki")}}
	address, err := c.address(ctx, apiServer)
	if err != nil {
		return err
	}
	text, err := c.pki.kubeconfig("https://"+address, "admin", *as)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}

func runCommand(ctx context.Context, s *state, args []string, messages io.Writer) error {
	flags := newFlags("run", messages)
	name := flags.String("name", "", "name of the program, for stop, status and its log file")
	ready := flags.String("ready", "", "URL that answers 200 once the program is ready")
	timeout := flags.Duration("timeout", time.Minute, "how long to wait for --ready")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *name == "" || flags.NArg() == 0 {
		return errors.New("run needs --name NAME, and after -- the program and its arguments")
	}
	return runNamed(ctx, s, program{name: *name, argv: flags.Args(), readyURL: *ready, timeout: *timeout}, messages)
}

func newFlags(name string, messages io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(messages)
	return flags
}
