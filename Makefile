# SPDX-License-Identifier: Apache-2.0

# What a fresh machine lacks is built by the target that needs it, from the Go module proxy alone, once
# for each version, into ~/.cache/cloudinary-operator (moved by CLOUDINARY_OPERATOR_CACHE).
# Needed before: Go, git, make, bash, curl.

SHELL := /usr/bin/env bash -o pipefail
.SHELLFLAGS := -ec

## VERSION: what the programs call themselves.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
## PKG: the packages that test, test-unit and fuzz are limited to.
PKG ?= ./...
## TESTFLAGS: passed to go test, such as TESTFLAGS='-run TestPlan -v'.
TESTFLAGS ?=
## BENCHFLAGS: passed to the benchmark, such as BENCHFLAGS='--connections 64 --rounds 1'.
BENCHFLAGS ?=
## LIVEFLAGS: passed to the live check, such as LIVEFLAGS='-o json --fill-limit'.
LIVEFLAGS ?=
## RUNFLAGS: passed to the manager of run, such as RUNFLAGS='--sync-interval=5s'.
RUNFLAGS ?=
## PROOFFLAGS: passed to the proofs, such as PROOFFLAGS='-proof.seed=1 -proof.runs=1 -proof.trace'.
PROOFFLAGS ?=
## FUZZTIME: how long each fuzz target runs.
FUZZTIME ?= 10s
## VULNDB: where vulncheck finds known vulnerabilities.
VULNDB ?= https://vuln.go.dev
## PLATFORMS: what image builds for, separated by commas.
PLATFORMS ?= linux/amd64,linux/arm64
## IMG: the image that deploy and install-yaml use instead of the one in config/manager/deployment.yaml.
IMG ?=
IMAGE := ghcr.io/cloudinary-operator/cloudinary-operator

# The package whose tests say how long the real programs may take: it runs alone, and without the race detector, which would take their time.
MEASURED := github.com/cloudinary-operator/cloudinary-operator/test
# The package whose tests simulate so much that the race detector would take minutes. It is no test of races: what runs in it has its own.
SIMULATED := github.com/cloudinary-operator/cloudinary-operator/test/receiverproof
# The packages whose tests take seconds: on disks, over sockets, with thousands of random cases. test-quick leaves them out.
SLOW := internal/queue|webhookreceiver/delivery/service|webhookreceiver/route
# The race detector needs cgo, which Go leaves off where there is no C compiler.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)"

# $(call tool,NAME) is the path of a tool pinned under hack/tools, built by the first recipe that runs it.
tool = "$$(hack/tools/build.sh $(1))"

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make TARGET [VARIABLE=value]" } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z-]*:.*## / { printf "  %-18s %s\n", $$1, $$2 } \
	  /^## [A-Z]+: / { split(substr($$0, 4), v, ": "); variables = variables sprintf("  %-18s %s\n", v[1], v[2]) } \
	  END { printf "\nVariables\n%s", variables }' $(MAKEFILE_LIST)

##@ Use

.PHONY: demo
demo: ## Show in six scenes what it does, on a cluster and a Cloudinary made for it, and check each step.
	@hack/demo/demo.sh

.PHONY: demo-recording
demo-recording: ## Run the demo, and make the picture in the README of what it printed: docs/images/demo.svg.
	@mkdir -p .local && hack/demo/demo.sh >.local/recording.txt && go run ./hack/demo/recording <.local/recording.txt

.PHONY: dashboard-picture
dashboard-picture: ## Run a demo under Prometheus for 7 minutes, and draw what the dashboard shows of it: docs/images/dashboard.svg.
	@hack/demo/dashboard.sh

.PHONY: demo-up
demo-up: ## Start the demo's cluster, simulator and manager in the background; writes .local/demo.env to source.
	@hack/demo/up.sh

.PHONY: demo-down
demo-down: ## Stop what demo-up started.
	@hack/demo/down.sh

##@ Develop

.PHONY: generate
generate: ## Write everything that is generated: deepcopy, CRDs, RBAC, the API reference, the chart's copies.
	@hack/generate.sh
	@hack/helm/generate.sh

.PHONY: fmt
fmt: ## Format the Go code. Building the formatter takes 4 minutes the first time.
	@$(call tool,golangci-lint) fmt ./...

.PHONY: build
build: ## Build the programs into bin/.
	@for main in cmd/*/main.go; do name=$$(basename "$$(dirname "$$main")"); \
	  echo "bin/$$name ($(VERSION))"; $(GO_BUILD) -o "bin/$$name" "./cmd/$$name" || exit 1; done

.PHONY: clean
clean: demo-down ## Remove what was built or left in the checkout (not the cache outside of it).
	@rm -rf bin dist .local

##@ Check

.PHONY: test
test: ## Run all tests; builds a control plane the first time (minutes).
	@assets=$$(hack/kubernetes/build.sh); export KUBEBUILDER_ASSETS=$$assets; failed=0; \
	run() { $(call tool,gotestsum) --format pkgname-and-test-fails -- -timeout 40m $(TESTFLAGS) "$$@" || failed=1; }; \
	packages=$$(go list $(PKG)); measured=$$(grep -x '$(MEASURED)' <<<"$$packages" || true); simulated=$$(grep -x '$(SIMULATED)' <<<"$$packages" || true); \
	others=$$(grep -vx -e '$(MEASURED)' -e '$(SIMULATED)' <<<"$$packages" || true); \
	[ -z "$$others" ] || run $(RACE) $$others; \
	[ -z "$$simulated" ] || run $$simulated; \
	[ -z "$$measured" ] || run $$measured; \
	exit $$failed
	@[ '$(PKG)' != ./... ] || go -C test/gitops/kstatus test ./...
	@[ '$(PKG)' != ./... ] || go -C hack/release test .

.PHONY: test-quick
test-quick: ## Run the tests of what decides: 22 s on two idle cores, once built. What has not changed is not run again.
	@go test -short $$(hack/unit-packages.sh ./internal/... ./webhookreceiver/... | grep -vE '/($(SLOW))$$')

.PHONY: test-unit
test-unit: ## Run the tests of the packages that need no control plane.
	@packages=$$(hack/unit-packages.sh $(PKG)) && \
	$(call tool,gotestsum) --format pkgname-and-test-fails -- $(RACE) $(TESTFLAGS) $$packages

.PHONY: proof
proof: ## Run the crash-safety simulation of the manager: 10,000 histories. See docs/proof.md.
	@go test ./test/proof -count=1 -timeout 60m -run '^(TestProof|TestEachStep|TestPeopleChangeTheirMindsAtEachStep)$$' -v -proof.runs=10000 -proof.stride=1 $(PROOFFLAGS)

.PHONY: proof-receiver
proof-receiver: ## Run the simulation of the receiver: 1,000 histories. See docs/proof.md.
	@go test ./test/receiverproof -count=1 -timeout 24h -run '^TestProof$$' -v -proof.runs=1000 -proof.seed=0 $(PROOFFLAGS)

.PHONY: proof-receiver-mutations
proof-receiver-mutations: ## Break the receiver in 22 ways, and see whether its simulation finds each. See docs/proof.md.
	@go test ./test/receiverproof -count=1 -timeout 24h -run '^TestTheProofFindsWhatIsWrong$$' -v -proof.mutations=. $(PROOFFLAGS)

.PHONY: e2e
e2e: ## Install everything on a real Kubernetes node made for it, and try what goes wrong there. Needs Linux and root. See docs/e2e.md.
	@hack/e2e.sh

.PHONY: verify-sdk
verify-sdk: ## Have Cloudinary's SDK for Node sign what the tests say it signs. Needs node and npm, and says so where it could not.
	@hack/cloudinarysdk/reference.sh

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME.
	@hack/fuzz.sh $(FUZZTIME) $(PKG)

.PHONY: test-live
test-live: ## Probe undocumented Admin API behaviour of the account in CLOUDINARY_URL, or of a new one with LIVEFLAGS=--claim; cleans up. See docs/live-check.md.
	@mkdir -p bin && go build -trimpath -o bin/live-check ./hack/live && exec bin/live-check $(LIVEFLAGS)

.PHONY: lint
lint: ## Check style, the rules of the architecture, and the API; writes nothing.
	@hack/lint.sh

.PHONY: verify
verify: ## generate + lint, and nothing may differ from what is committed.
	@hack/generate.sh
	@hack/helm/generate.sh
	@hack/verify-clean.sh && clean=true || clean=false; hack/lint.sh && $$clean

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in code that is called. Needs vuln.go.dev; VULNDB=file:///... is a copy of it.
	@VULNDB="$(VULNDB)" hack/vulncheck.sh

.PHONY: bench-manager
bench-manager: ## Measure the manager at 900 triggers: calls, time to Ready, memory.
	@assets=$$(hack/kubernetes/build.sh) && KUBEBUILDER_ASSETS="$$assets" go run ./hack/bench/manager

.PHONY: bench-receiver
bench-receiver: ## Measure the receiver beside a bare HTTP handler: rate, latency, memory. Needs wrk; takes 12 minutes.
	@mkdir -p bin && $(GO_BUILD) -o bin/receiver ./cmd/receiver && $(GO_BUILD) -o bin/bench-receiver ./hack/bench/receiver && \
	bin/bench-receiver --receiver bin/receiver $(BENCHFLAGS)

##@ Manifests and image

.PHONY: manifests-render
manifests-render: ## Print what config/default installs.
	@$(call tool,kustomize) build config/default

.PHONY: install-yaml
install-yaml: ## Write dist/install.yaml: all that config/default installs, in one file. IMG=... chooses the image.
	@hack/install-yaml.sh dist/install.yaml "$(IMG)"

.PHONY: chart
chart: ## Write dist/cloudinary-operator-VERSION.tgz, the Helm chart. Building Helm takes 3 minutes the first time. See docs/helm.md.
	@helm=$$(hack/helm/build.sh) && "$$helm" package charts/cloudinary-operator --destination dist

.PHONY: verify-chart
verify-chart: ## Hold the chart against config/, and install, upgrade and uninstall it on a real API server. Part of test, too.
	@$(MAKE) --no-print-directory test PKG=./charts/...

.PHONY: verify-manifests
verify-manifests: ## Apply config/ to a real API server as a server-side dry run. Part of test, too.
	@$(MAKE) --no-print-directory test PKG=./config/...

.PHONY: image
image: ## Write the images as OCI archives into dist/, without Docker. PLATFORMS=... limits them. See docs/image.md.
	@go -C hack/image run . archives --version "$(VERSION)" --platforms "$(PLATFORMS)"

.PHONY: test-image
test-image: ## Build the images twice, compare them, and look into them.
	@go -C hack/image test -count=1 ./...

##@ Release

.PHONY: release
release: ## Build all that a release publishes into dist/: make release VERSION=v0.1.0. Publishes nothing. See docs/releases.md.
	@hack/release.sh "$(if $(filter command line environment,$(origin VERSION)),$(VERSION))"

.PHONY: test-release
test-release: ## Build a release twice and compare; push it to a registry made for it, sign it, and check what people check.
	@COSIGN=$(call tool,cosign) go -C hack/release test -count=1 -timeout 60m -v ./dryrun

##@ The cluster of the current kubectl context

.PHONY: run
run: ## Run the manager of this checkout, after applying its CRDs. RUNFLAGS='--sync-interval=5s' are further flags.
	@hack/run.sh $(RUNFLAGS)

.PHONY: install
install: ## Install the CRDs.
	@hack/kubectl.sh apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Remove the CRDs and all objects. The manager must run: it releases what they hold.
	@hack/kubectl.sh delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## Install CRDs and manager. IMG=... chooses the image.
	@hack/kubectl.sh kustomize config/default | sed '$(if $(IMG),s|image: $(IMAGE):.*|image: $(IMG)|)' | \
	hack/kubectl.sh apply --server-side -f -

.PHONY: undeploy
undeploy: uninstall ## Remove the CRDs, then the manager.
	@hack/kubectl.sh delete --ignore-not-found -k config/default
