package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// groupLimit is how long the children of one measurement may live.
const groupLimit = 2 * time.Minute

// group is the children of one measurement. When one fails, all are killed, so
// that none waits for it.
type group struct {
	peers  *peers
	ctx    context.Context // of the children; its cause says which failed
	cancel context.CancelCauseFunc
	limit  *time.Timer
	ended  sync.WaitGroup
	env    []string // of the children, besides the keys
}

func (p *peers) newGroup(ctx context.Context) *group {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := time.AfterFunc(groupLimit, func() {
		cancel(fmt.Errorf("bench: a measurement took longer than %v", groupLimit))
	})
	return &group{peers: p, ctx: ctx, cancel: cancel, limit: limit}
}

// end kills the children that still run and waits for them.
func (g *group) end() {
	g.limit.Stop()
	g.cancel(nil)
	g.ended.Wait()
}

// child is a running program.
type child struct {
	group *group
	name  string
	stdin io.WriteCloser
	lines chan string // closed at the program's end
}

// peer starts the program of one side in a role.
func (g *group) peer(s side, args ...any) (*child, error) {
	var texts []string
	for _, arg := range args {
		texts = append(texts, fmt.Sprint(arg))
	}
	return g.start(g.peers.path[s], texts...)
}

// start starts a program.
func (g *group) start(path string, args ...string) (*child, error) {
	cmd := exec.CommandContext(g.ctx, path, args...)
	cmd.Env = append(slices.Clip(g.peers.env), g.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("bench: pipes: %w", err)
	}
	c := &child{
		group: g,
		name:  strings.Join(append([]string{filepath.Base(path)}, args...), " "),
		stdin: stdin,
		lines: make(chan string, 16),
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench: starting %s: %w", c.name, err)
	}
	g.ended.Go(func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case c.lines <- scanner.Text():
			case <-g.ctx.Done(): // there may be no reader left
			}
		}
		if err := cmd.Wait(); err != nil {
			g.cancel(fmt.Errorf("bench: %s: %w\n%s", c.name, err, stderr.Bytes()))
		}
	})
	return c, nil
}

// line awaits the next line of a child that begins with a prefix, which is cut
// off.
func (c *child) line(prefix string) (string, error) {
	line, ok := <-c.lines
	if !ok {
		if err := context.Cause(c.group.ctx); err != nil {
			return "", err
		}
		return "", fmt.Errorf("bench: %s: ended without a result", c.name)
	}
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		return "", fmt.Errorf("bench: %s: printed %q, want %q", c.name, line, prefix)
	}
	return rest, nil
}

// serve starts a server and returns its endpoint too.
func (g *group) serve(s side, args ...any) (server *child, endpoint string, err error) {
	if server, err = g.peer(s, args...); err != nil {
		return nil, "", err
	}
	endpoint, err = server.line("listening ")
	return server, endpoint, err
}

// result awaits a line of JSON.
func (c *child) result(v any) error {
	line, err := c.line("")
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), v); err != nil {
		return fmt.Errorf("bench: %s: printed %q: %w", c.name, line, err)
	}
	return nil
}

// stat is what an echo server has used.
type stat struct {
	CPU int64 `json:"cpu_ns"`
	RSS int64 `json:"rss"`
}

// stat asks an echo server what it has used. It says "stat", or "settle" for a
// garbage collection first.
func (c *child) stat(word string) (s stat, err error) {
	if _, err := fmt.Fprintln(c.stdin, word); err != nil {
		return s, fmt.Errorf("bench: %s: %w", c.name, err)
	}
	return s, c.result(&s)
}

// finish closes the input of a child, which ends it, and waits for that.
func (c *child) finish() error {
	c.stdin.Close()
	if line, ok := <-c.lines; ok {
		return fmt.Errorf("bench: %s: printed %q at its end", c.name, line)
	}
	return context.Cause(c.group.ctx)
}

// run starts a client and awaits its result.
func (g *group) run(s side, result any, args ...any) error {
	c, err := g.peer(s, args...)
	if err != nil {
		return err
	}
	return c.result(result)
}
