package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/curve"
)

const (
	// mark is the high-water mark of all sockets: what is sent in 2 seconds.
	mark = 1000
	// longestAbsence bounds the time from a kill to the return.
	longestAbsence = 3 * time.Second
	// settling bounds the time in which all links must carry messages in the end.
	settling = time.Minute
)

// chaos is one run.
type chaos struct {
	mu      sync.Mutex
	ledgers []*ledger
	faults  []string
	memory  map[bool]int // the most that a process had resident, in KiB, libzmq's or ours
	machine []delay      // of the machine itself
	kills   int
	stops   int
}

// process runs the incarnations of one party.
type process struct {
	chaos  *chaos
	ledger *ledger
	party  int
	order  order

	cmd *exec.Cmd
	in  io.Closer
	out sync.WaitGroup
}

// run kills processes for a while, lets all return, and ends them.
func run(ctx context.Context, length, every time.Duration, links []*link) (*chaos, error) {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := &chaos{memory: map[bool]int{}}
	var processes []*process
	defer func() {
		for _, p := range processes {
			p.kill()
		}
	}()
	for i, l := range links {
		at := "ipc://" + filepath.Join(dir, fmt.Sprint(i))
		if l.overTCP {
			address, release, err := reserve()
			if err != nil {
				return nil, err
			}
			defer release()
			at = "tcp://" + address
		}
		server := curve.GenerateKey()
		ledger := newLedger(l)
		c.ledgers = append(c.ledgers, ledger)
		for party, is := range l.parties {
			key := curve.GenerateKey()
			if is.Binds {
				key = server
			}
			o := order{Party: is, Sends: party == 0, Endpoint: at, Curve: l.curve, Key: key.AppendZ85(nil), Server: []byte(server.Public().String()), Mark: mark}
			processes = append(processes, &process{chaos: c, ledger: ledger, party: party, order: o})
		}
	}
	for _, p := range processes {
		if err := p.start(); err != nil {
			return nil, err
		}
	}
	ended := make(chan struct{})
	defer close(ended)
	go c.watchMachine(ended)
	go c.watchMemory(ended, processes)

	c.settle(ctx)
	var returning sync.WaitGroup
	failed := make(chan error, len(processes))
	busy := make([]bool, len(processes))
	free := make(chan int, len(processes))
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil && len(failed) == 0; {
		time.Sleep(rand.N(2 * every))
		for len(free) > 0 {
			busy[<-free] = false
		}
		i := rand.N(len(processes))
		if busy[i] {
			continue
		}
		busy[i] = true
		returning.Go(func() {
			if err := processes[i].disturb(); err != nil {
				failed <- err
			}
			free <- i
		})
	}
	returning.Wait()
	if len(failed) > 0 {
		return nil, <-failed
	}
	c.settle(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.ledgers {
		if l.waiting {
			l.fault("no message %v after the last return", time.Since(l.since).Round(time.Millisecond))
		}
		c.faults = append(c.faults, l.faults...)
	}
	return c, ctx.Err()
}

// settle waits until each link carries messages.
func (c *chaos) settle(ctx context.Context) {
	for end := time.Now().Add(settling); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		settled := true
		for _, l := range c.ledgers {
			settled = settled && !l.waiting && l.ends[0].up && l.ends[1].up
		}
		c.mu.Unlock()
		if settled {
			return
		}
	}
}

// disturb kills the process and starts it again after a while, or stops it for a while.
func (p *process) disturb() error {
	c, absence := p.chaos, rand.N(longestAbsence)
	if rand.N(4) == 0 {
		c.mu.Lock()
		c.stops++
		p.ledger.stop(time.Now(), absence)
		c.mu.Unlock()
		p.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(absence)
		err := p.cmd.Process.Signal(syscall.SIGCONT)
		c.mu.Lock()
		p.ledger.goOn()
		c.mu.Unlock()
		return err
	}
	p.kill()
	c.mu.Lock()
	c.kills++
	p.ledger.down(p.party, time.Now())
	p.order.Incarnation++
	c.mu.Unlock()
	time.Sleep(absence)
	return p.start()
}

// start starts an incarnation.
func (p *process) start() error {
	o, err := json.Marshal(p.order)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVar+"="+string(o), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.chaos.mu.Lock()
	p.cmd, p.in = cmd, in
	err = cmd.Start()
	p.chaos.mu.Unlock()
	if err != nil {
		return err
	}
	p.out.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.read(lines.Text())
		}
	})
	return nil
}

// kill kills the process and reads the rest of its reports.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	p.cmd.Process.Kill()
	p.out.Wait()
	p.cmd.Wait()
	p.in.Close()
}

// read reads one line of a process.
func (p *process) read(line string) {
	c, l := p.chaos, p.ledger
	c.mu.Lock()
	defer c.mu.Unlock()
	var a arrival
	var last uint64
	var at int64
	what, rest, _ := strings.Cut(line, " ")
	var err error
	switch what {
	case "up":
		if _, err = fmt.Sscan(rest, &at); err == nil {
			l.up(p.party, time.Unix(0, at))
		}
	case "got":
		if _, err = fmt.Sscan(rest, &a.sender, &a.via, &a.number, &last, &at); err == nil {
			l.got(p.party, a, last, time.Unix(0, at))
		}
	case "late":
		var took int64
		if _, err = fmt.Sscan(rest, &at, &took); err == nil {
			l.machine = append(l.machine, delay{time.Unix(0, at), time.Duration(took)})
			if took > int64(starved) {
				l.dropsUntil(time.Now().Add(backlog))
			}
		}
	default:
		err = errors.New("unexpected")
	}
	if err != nil {
		l.fault("%q: %v", line, err)
	}
}

// reserve reserves a TCP port for programs that set SO_REUSEADDR.
func reserve() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, nameErr := syscall.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		syscall.Close(fd)
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), func() { syscall.Close(fd) }, nil
}
