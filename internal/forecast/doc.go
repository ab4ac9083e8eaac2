// SPDX-License-Identifier: Apache-2.0

// Package forecast predicts what the manager would do and say, before it does. The input is objects
// that need not exist yet, and Cloudinary's lists. It runs the manager's own resolve, plan and
// verdict, and lets each step succeed. It is pure.
package forecast
