// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bench runs the phases one after the other. The managers of the worlds are started one by one and watched at rest together.
type bench struct {
	*options
	progress io.Writer
	begun    time.Time
	cluster  *cluster
	worlds   []*world
	report   report
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%5.0f s  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) stopWorlds() {
	for _, w := range b.worlds {
		w.stop()
	}
}

func (b *bench) measure(ctx context.Context) error {
	err := b.measureAll(ctx)
	if err != nil {
		b.stopWorlds() // So that the logs are whole.
		b.say("the logs are kept in %s", b.cluster.keepLogs())
	}
	return err
}

func (b *bench) measureAll(ctx context.Context) error {
	for _, s := range shapes() {
		if !slices.Contains(b.options.worlds, s.name) {
			continue
		}
		b.say("%s: starting", s.name)
		w, err := startWorld(ctx, b.cluster, b.options, s)
		b.worlds = append(b.worlds, w)
		if err != nil {
			return err
		}
		if err := b.change(ctx, w, "created from nothing", w.createAll); err != nil {
			return err
		}
	}
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{
		{phaseRestart, b.restarts}, {phaseRest, b.rest}, {phaseStorm, b.storms}, {phaseRepartition, b.repartition},
	} {
		if !slices.Contains(b.phases, phase.name) {
			continue
		}
		if err := phase.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	return nil
}

// sample is what a world's manager has done and used so far.
type sample struct {
	at    time.Time
	calls counts
	scrape
}

func (w *world) sample(ctx context.Context) (sample, error) {
	calls, err := adminCalls(ctx, w.simulatorURL)
	if err != nil {
		return sample{}, err
	}
	all, err := metricsOf(ctx, w.metricsURL)
	return sample{time.Now(), calls, all}, err
}

// usage is what was done and used between two samples.
type usage struct {
	calls           counts
	patches, events int // at the API server; patches are of status and finalizers
	cpu             float64
	peak            int64
}

func (w *world) usage(ctx context.Context, before sample) (usage, error) {
	after, err := w.sample(ctx)
	if err != nil {
		return usage{}, err
	}
	peak, err := w.manager.peak(ctx)
	difference := func(name, labels string) float64 { return after.sum(name, labels) - before.sum(name, labels) }
	return usage{
		calls:   after.calls.minus(before.calls),
		patches: int(difference("rest_client_requests_total", `method="PATCH"`)),
		events:  int(difference("rest_client_requests_total", `method="POST"`)),
		cpu:     difference("process_cpu_seconds_total", ""),
		peak:    peak,
	}, err
}

// change measures from the beginning of a change of manifests until everything is Ready, and what is called until writes end.
func (b *bench) change(ctx context.Context, w *world, what string, how func(context.Context) error) error {
	b.say("%s: %s", w.name, what)
	w.manager.resetPeak()
	before, err := w.sample(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := how(ctx); err != nil {
		return err
	}
	row := changeRow{what: what, world: w, applied: time.Since(begun)}
	if err := w.waitReady(ctx); err != nil {
		return fmt.Errorf("%s, %s: %w", w.name, what, err)
	}
	row.ready = time.Since(begun)
	if err := w.settle(ctx); err != nil {
		return err
	}
	if row.usage, err = w.usage(ctx, before); err != nil {
		return err
	}
	b.say("%s: Ready after %.1f s, %+v", w.name, row.ready.Seconds(), row.calls)
	b.report.changes = append(b.report.changes, row)
	return errors.Join(w.asExpected(ctx), w.tracker.missing(w.name, w.want))
}

func (w *world) waitReady(ctx context.Context) error {
	return w.poll(ctx, 10*time.Millisecond, func() error { return w.tracker.missing(w.name, w.want) })
}

// settle waits until nothing was written at Cloudinary for a while; the list that verifies the last write is within that.
func (w *world) settle(ctx context.Context) error {
	writes, since := -1, time.Now()
	return w.poll(ctx, 200*time.Millisecond, func() error {
		calls, err := adminCalls(ctx, w.simulatorURL)
		switch {
		case err != nil:
			return err
		case calls.writes() != writes:
			writes, since = calls.writes(), time.Now()
		}
		if time.Since(since) < w.options.quiet {
			return errors.New("there are still writes to Cloudinary")
		}
		return nil
	})
}

func (b *bench) restarts(ctx context.Context) error {
	for i, w := range b.worlds {
		kill := func() { w.manager.kill() }
		if err := b.restart(ctx, w, "killed, same Pod", kill); err != nil {
			return err
		}
		if i > 0 {
			continue // How long a lease keeps a start waiting is no matter of what is in sync.
		}
		stop := func() { w.manager.stop() }
		if err := b.restart(ctx, w, "stopped in order, new Pod", inNewPod(w, stop)); err != nil {
			return err
		}
		if err := b.restart(ctx, w, "killed, new Pod", inNewPod(w, kill)); err != nil {
			return err
		}
	}
	return nil
}

func inNewPod(w *world, end func()) func() {
	return func() {
		end()
		w.podUID = string(uuid.NewUUID())
	}
}

// restart measures a start of the manager with everything in sync, and what it does in the time after it.
func (b *bench) restart(ctx context.Context, w *world, what string, end func()) error {
	b.say("%s: restart: %s", w.name, what)
	end()
	versions, err := w.versions(ctx)
	if err != nil {
		return err
	}
	before, err := adminCalls(ctx, w.simulatorURL)
	if err != nil {
		return err
	}
	if err := w.startManager(ctx); err != nil {
		return err
	}
	row := startRow{what: what, world: w}
	if err := row.watch(ctx, before); err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	if row.usage, err = w.usage(ctx, sample{calls: before}); err != nil {
		return err
	}
	if row.written, err = w.writtenSince(ctx, versions); err != nil {
		return err
	}
	b.say("%s: complete pass after %.2f s, %+v", w.name, row.pass.Seconds(), row.calls)
	b.report.starts = append(b.report.starts, row)
	return errors.Join(w.asExpected(ctx), w.tracker.missing(w.name, w.want))
}

// watch notes when the manager that was just started reaches which state for the first time.
func (row *startRow) watch(ctx context.Context, before counts) error {
	w := row.world
	return w.poll(ctx, 20*time.Millisecond, func() error {
		return errors.Join(
			row.note(&row.readyz, func() error { return w.managerReady(ctx) }),
			row.note(&row.list, func() error { return w.listed(ctx, before) }),
			row.note(&row.pass, func() error { return w.passed(ctx) }),
		)
	})
}

// note sets a time once there is no error.
func (row *startRow) note(at *time.Duration, check func() error) error {
	if *at != 0 {
		return nil
	}
	if err := check(); err != nil {
		return err
	}
	*at = time.Since(row.world.manager.started)
	return nil
}

func (w *world) listed(ctx context.Context, before counts) error {
	calls, err := adminCalls(ctx, w.simulatorURL)
	if err == nil && calls.lists == before.lists {
		err = errors.New("the triggers have not been listed")
	}
	return err
}

// passed reports whether there was a pass that read everything: at its end the manager sets a gauge.
func (w *world) passed(ctx context.Context) error {
	all, err := metricsOf(ctx, w.metricsURL)
	if err == nil && all.sum("cloudinary_manager_triggers", "") != float64(w.triggers) {
		err = errors.New("no pass has got to its end with all triggers")
	}
	return err
}

// writtenSince counts the objects with another resourceVersion than before.
func (w *world) writtenSince(ctx context.Context, before map[objectKey]string) (int, error) {
	after, err := w.versions(ctx)
	if err != nil {
		return 0, err
	}
	written := 0
	for key, version := range after {
		if before[key] != version {
			written++
		}
	}
	return written, nil
}

// rest watches all managers at once: each is a process of its own with a Cloudinary of its own, and none has much to do.
func (b *bench) rest(ctx context.Context) error {
	b.say("at rest for %s", b.window)
	rows := make([]restRow, len(b.worlds))
	failed := make([]error, len(b.worlds))
	var all sync.WaitGroup
	for i, w := range b.worlds {
		all.Go(func() { rows[i], failed[i] = w.rest(ctx, b.window) })
	}
	all.Wait()
	b.report.rests = rows
	return errors.Join(failed...)
}

func (w *world) rest(ctx context.Context, window time.Duration) (restRow, error) {
	row := restRow{world: w}
	w.manager.resetPeak()
	versions, err := w.versions(ctx)
	if err != nil {
		return row, err
	}
	before, err := w.sample(ctx)
	if err != nil {
		return row, err
	}
	if err := row.watch(ctx, before, window); err != nil {
		return row, err
	}
	if row.usage, err = w.usage(ctx, before); err != nil {
		return row, err
	}
	after, err := w.sample(ctx)
	if err != nil {
		return row, err
	}
	row.window = after.at.Sub(before.at)
	const passes = "cloudinary_manager_pass_duration_seconds"
	row.passes = int(after.sum(passes+"_count", "environment") - before.sum(passes+"_count", "environment"))
	row.passSeconds = after.sum(passes+"_sum", "environment") - before.sum(passes+"_sum", "environment")
	row.written, err = w.writtenSince(ctx, versions)
	return row, errors.Join(err, w.tracker.missing(w.name, w.want))
}

// watch notes when lists are called, in the course of a window.
func (row *restRow) watch(ctx context.Context, before sample, window time.Duration) error {
	lists := before.calls.lists
	for time.Since(before.at) < window {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		calls, err := adminCalls(ctx, row.world.simulatorURL)
		if err != nil {
			return errors.Join(err, row.world.simulator.failed(), row.world.manager.failed())
		}
		for ; lists < calls.lists; lists++ {
			row.lists = append(row.lists, time.Now())
		}
	}
	return nil
}

func (b *bench) storms(ctx context.Context) error {
	for _, w := range b.worlds {
		if err := b.change(ctx, w, "every endpoint's URL changed", w.moveAll); err != nil {
			return err
		}
	}
	return nil
}

// repartition is measured in the worlds whose objects have event types to share.
func (b *bench) repartition(ctx context.Context) error {
	for _, w := range b.worlds {
		if w.objectsPerEndpoint > 1 || w.secrets > 1 {
			continue
		}
		if err := b.change(ctx, w, "half of the types moved to new objects", w.splitAll); err != nil {
			return err
		}
		if err := b.change(ctx, w, "all objects renamed", w.renameAll); err != nil {
			return err
		}
	}
	return nil
}

func eachItem(list client.ObjectList, do func(client.Object)) error {
	return meta.EachListItem(list, func(item runtime.Object) error {
		o, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", item)
		}
		do(o)
		return nil
	})
}

func copyLogs(from, to string) error {
	logs, err := filepath.Glob(filepath.Join(from, "*.log"))
	if err != nil {
		return err
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(log)), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
