import dev.cdevents.CDEvents;
import dev.cdevents.constants.CDEventConstants.Outcome;
import dev.cdevents.events.PipelineRunFinishedCDEvent;
import dev.cdevents.events.PipelineRunQueuedCDEvent;
import dev.cdevents.events.PipelineRunStartedCDEvent;
import dev.cdevents.events.TaskRunFinishedCDEvent;
import dev.cdevents.events.TaskRunStartedCDEvent;
import java.net.URI;
import java.util.Map;

/**
 * Prints the events of a build, one a line, as the HTTP sink of Jenkins' CDEvents plugin sends them:
 * by the SDK that it is built with, with the sources and subjects that it gives them.
 */
public class PrintEvents {
    static final String JOB = "job/team/job/as%20gard/";
    static final String RUN = JOB + "167/";

    public static void main(String[] args) {
        var queued = new PipelineRunQueuedCDEvent();
        queued.setSubjectId("7");
        queued.setSource(URI.create(JOB));
        queued.setSubjectPipelineName("team » as gard");
        queued.setCustomData(Map.of("name", "as gard", "causes", new String[] {"Started by it's {me}, [7]"}, "id", 7));
        queued.setCustomDataContentType("application/json");
        System.out.println(CDEvents.cdEventAsCloudEvent(queued));

        var job = Map.of("name", "as gard", "userName", "somebody", "url", JOB,
            "build", Map.of("number", 167, "url", RUN, "parameters", Map.of("PASSWORD", "secret")));
        var started = new PipelineRunStartedCDEvent();
        started.setSubjectId("167");
        started.setSource(URI.create(RUN));
        started.setSubjectPipelineName("team » as gard");
        started.setSubjectUrl(URI.create(RUN));
        started.setCustomData(job);
        started.setCustomDataContentType("application/json");
        System.out.println(CDEvents.cdEventAsCloudEvent(started));

        var stage = Map.of("stageName", "Build : Start", "log", "secret", "arguments", Map.of("script", "secret"));
        var task = new TaskRunStartedCDEvent();
        task.setSubjectId("167");
        task.setSource(URI.create(RUN));
        task.setSubjectTaskName("team » as gard");
        task.setSubjectPipelineRunId("167");
        task.setSubjectPipelineRunSource(URI.create(RUN));
        task.setCustomData(stage);
        task.setCustomDataContentType("application/json");
        System.out.println(CDEvents.cdEventAsCloudEvent(task));

        var done = new TaskRunFinishedCDEvent();
        done.setSubjectId("167");
        done.setSource(URI.create(RUN));
        done.setSubjectTaskName("team » as gard");
        done.setSubjectPipelineRunId("167");
        done.setSubjectPipelineRunSource(URI.create(RUN));
        done.setSubjectOutcome(Outcome.ERROR);
        done.setSubjectErrors("it broke");
        done.setCustomData(stage);
        done.setCustomDataContentType("application/json");
        System.out.println(CDEvents.cdEventAsCloudEvent(done));

        var finished = new PipelineRunFinishedCDEvent();
        finished.setSubjectId("167");
        finished.setSource(URI.create(RUN));
        finished.setSubjectPipelineName("team » as gard");
        finished.setSubjectOutcome(Outcome.SUCCESS);
        finished.setSubjectErrors("");
        finished.setCustomData(job);
        finished.setCustomDataContentType("application/json");
        System.out.println(CDEvents.cdEventAsCloudEvent(finished));
    }
}
