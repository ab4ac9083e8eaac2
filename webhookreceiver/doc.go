// SPDX-License-Identifier: Apache-2.0

// Package webhookreceiver takes Cloudinary's notifications over HTTP: it proves where each comes from, stores it, and only then
// answers 200. What it stored is delivered by the packages below it:
//
//	limit (method, size, time) → route.Table → notification.Policy → age → Decode → queue.Put → 200
//	queue → delivery.Dispatcher → a Service | events: a Kubernetes Event
//	report: what a person sees in status; metrics: what Prometheus sees
//
// It reads no Kubernetes object itself (package watch does), never looks into a body before its signature matched, and
// never answers another 2xx than 200, nor 200 for what could be lost.
package webhookreceiver
