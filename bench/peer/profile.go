package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// This is in init, before anything is allocated.
func init() {
	if os.Getenv("BENCH_MEMPROFILE") != "" {
		runtime.MemProfileRate = 512
	}
}

// profiled runs f and writes the profiles that the environment asks for.
func profiled(f func() error) (err error) {
	if name := os.Getenv("BENCH_CPUPROFILE"); name != "" {
		file, err := os.Create(name)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	if err := f(); err != nil {
		return err
	}
	name := os.Getenv("BENCH_MEMPROFILE")
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
