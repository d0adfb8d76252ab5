package main

// program is one that imports go-zeromq/zmq4, or go-zeromq's own tests.
type program struct {
	name, version string
	module        string   // fetched from the module proxy, unless git is set
	git           string   // repository to clone; version is the commit
	dir           string   // of its go.mod
	external      bool     // keep only external tests; the module itself is what is replaced
	raise         string   // requirement that Go 1.26 needs to build it
	build         []string // arguments of the go command
	test          []string // arguments of go test, nil if it has no tests of sockets
	kernel        *kernel  // set if it is a Jupyter kernel
}

// kernelFile is the file that the build of a Jupyter kernel writes.
const kernelFile = "jupyter-kernel"

var programs = []program{
	{
		name: "go-zeromq", module: "github.com/go-zeromq/zmq4", version: "v0.17.0", external: true,
		build: []string{"test", "-vet=off", "-run", "^$", "./..."}, test: []string{"./..."},
	},
	{
		name: "pactus", module: "github.com/pactus-project/pactus", version: "v1.9.0",
		build: []string{"build", "./www/zmq"}, test: []string{"./www/zmq"},
	},
	{
		name: "wirego", git: "https://github.com/quarkslab/wirego", version: "b64ca3df1c65129cbfc7f45a4f10c3579a7755b2", dir: "wirego_remote/go",
		build: []string{"build", "./..."}, test: []string{"./..."},
	},
	{
		name: "llm-d-kv-cache", module: "github.com/llm-d/llm-d-kv-cache", version: "v0.8.1",
		build: []string{"build", "./pkg/kvevents"}, test: []string{"-run", "ZMQ", "./pkg/kvevents"},
	},
	{
		name: "llm-d-inference-sim", module: "github.com/llm-d/llm-d-inference-sim", version: "v0.10.2",
		build: []string{"build", "./pkg/common", "./pkg/kv-cache"}, test: []string{"./pkg/common", "./pkg/kv-cache"},
	},
	{
		// The newest version with a tag does not start if it is built with Go 1.26.
		name: "gophernotes", git: "https://github.com/gopherdata/gophernotes", version: "55142043d19696ba037e3e93f9ec6c7f8436e82d",
		raise: "golang.org/x/tools@v0.30.0", build: []string{"build", "-o", kernelFile, "."}, test: []string{"."},
		kernel: &kernel{args: []string{"{connection_file}"}, cell: "import \"fmt\"\nfmt.Println(\"hello\")"},
	},
	{
		name: "gonb", module: "github.com/janpfeifer/gonb", version: "v0.11.4",
		build: []string{"build", "-o", kernelFile, "."},
		kernel: &kernel{args: []string{"--kernel", "{connection_file}"}, cell: "%%\nfmt.Println(\"hello\")",
			tool: "golang.org/x/tools/cmd/goimports@v0.30.0"},
	},
}

// known has the reasons of failures that say nothing about sockets/zmq4, by the name of
// the program and the test.
var known = map[string]string{
	"go-zeromq/TestConnMaxRetriesInfinite": "dials 100 times within 1 ms, which a busy machine may not do",
	"go-zeromq/TestTopics":                 "gives a subscription 500 ms to arrive, which can be too short on a busy machine",
	"go-zeromq/TestReaperLeak1":            "gives 100 clients at once a second each to connect, which can be too short on a busy machine",
}

// choose returns the program with this name, or all if it is empty.
func choose(all []program, name string) []program {
	if name == "" {
		return all
	}
	for _, p := range all {
		if p.name == name {
			return []program{p}
		}
	}
	return nil
}

// names returns the names of programs.
func names(all []program) []string {
	var list []string
	for _, p := range all {
		list = append(list, p.name)
	}
	return list
}
