package delivery

import "time"

// workerIdle is how long a worker waits for another attempt.
const workerIdle = time.Second

// begin runs an attempt on a worker: on one that waits, or else on a new one. There are never more than attempts ran at once
// within workerIdle. A goroutine for each attempt would have to let its stack grow each time.
func (e *Engine) begin(a *attempt) {
	e.attempts.Add(1)
	select {
	case e.handover <- a: // there is room only while a worker waits
	default:
		go e.work(a)
	}
}

// work is a worker's goroutine.
func (e *Engine) work(a *attempt) {
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		a.run()
		e.attempts.Done()
		idle.Reset(workerIdle)
		select {
		case a = <-e.handover:
		case <-idle.C:
			return
		case <-e.stop:
			return
		}
	}
}
