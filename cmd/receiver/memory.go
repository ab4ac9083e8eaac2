// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime/debug"

	"github.com/go-logr/logr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/membudget"
	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/probes"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/admin"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery/service"
)

// programBytes is what the rest takes, as docs/sizing.md has it measured: at rest with 1,000 endpoints, and under full load.
const programBytes = (31 + 40) << 20

// fitMemory refuses flags that allow more memory than there is. Without GOMEMLIMIT, Go is told the container's limit.
func (o *options) fitMemory(logger logr.Logger) error {
	const unchanged = -1
	goLimit := debug.SetMemoryLimit(unchanged)
	limit := membudget.Choose(goLimit, membudget.ContainerLimit(os.DirFS("/")))
	parts := o.memory()
	if err := membudget.Check(limit, parts); err != nil {
		return err
	}
	if !limit.IsUnlimited() {
		if limit.Bytes < goLimit {
			debug.SetMemoryLimit(limit.Bytes)
		}
		logger.Info("The flags fit the memory", "atMost", membudget.Size(membudget.Sum(parts)), "limit", membudget.Size(limit.Bytes), "source", limit.Source)
	}
	return nil
}

// memory is what the flags allow to be taken, whatever is sent.
func (o *options) memory() []membudget.Part {
	notifications := webhookreceiver.Limits(o.maxConnections)
	probed, scraped, administered := probes.Limits(), metricsserver.Limits(), admin.Limits()
	return []membudget.Part{
		{Name: "the program", Bytes: programBytes},
		{Name: "probes, metrics and dead letters", Bytes: probed.Memory(false) + scraped.Memory(true) + administered.Memory(false)},
		{Name: "connections", Flag: "max-connections", Value: int64(o.maxConnections), Bytes: notifications.Memory(false)},
		{
			Name: "the start of each body", Flag: "max-in-flight-requests", Value: int64(o.handler.MaxInFlight),
			Bytes: membudget.Times(min(o.handler.MaxInFlight, o.maxConnections), webhookreceiver.FirstBody),
		},
		{Name: "the rest of bodies", Flag: "max-in-flight-bytes", Value: o.handler.MaxInFlightBytes, Bytes: o.handler.MaxInFlightBytes},
		{
			Name:  "bodies on their way to targets",
			Bytes: max(delivery.DefaultFirstBytes, o.handler.MaxBodyBytes) + max(delivery.DefaultSharedBytes, o.handler.MaxBodyBytes),
		},
		{
			Name:  "requests to targets and their answers",
			Bytes: membudget.Times(delivery.DefaultFirstInFlight+delivery.DefaultSharedInFlight, service.AttemptBytes),
		},
		{Name: "what is remembered of targets", Bytes: service.RememberedBytes},
		{
			Name: "notifications that wait", Flag: "store-max-notifications", Value: int64(o.store.MaxNotifications),
			Bytes: membudget.Times(o.store.MaxNotifications, queue.NotificationBytes+delivery.WaitingBytes),
		},
		{Name: "deduplication keys", Flag: "store-max-keys", Value: int64(o.store.MaxKeys), Bytes: membudget.Times(o.store.MaxKeys, queue.KeyBytes)},
	}
}
